"""Algorithm 1: the objective, where training starts, and the loop."""

from stradiff.fitting.callbacks import Callback, Report
from stradiff.fitting.fit import Fit, fit
from stradiff.fitting.settings import Settings

__all__ = ["Callback", "Fit", "Report", "Settings", "fit"]
