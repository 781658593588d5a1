"""Algorithm 1: the objective, where training starts, and the loop."""

from stradiff.train.callbacks import Callback, Report
from stradiff.train.restarts import fit_best
from stradiff.train.training import Fit, Restart, fit

__all__ = ["Callback", "Fit", "Report", "Restart", "fit", "fit_best"]
