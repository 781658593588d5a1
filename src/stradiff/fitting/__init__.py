"""Algorithm 1: the objective, where training starts, and the loop."""

from stradiff.fitting.callbacks import Callback, Report
from stradiff.fitting.fit import Fit, Restart, fit
from stradiff.fitting.restarts import fit_best
from stradiff.fitting.settings import Settings

__all__ = ["Callback", "Fit", "Report", "Restart", "Settings", "fit", "fit_best"]
