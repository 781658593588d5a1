"""Algorithm 1: the objective, the loop, and the choice among starts."""

from stradiff.train.callbacks import Callback, Report
from stradiff.train.restarts import train
from stradiff.train.training import Restart, TrainingResult

__all__ = ["Callback", "Report", "Restart", "TrainingResult", "train"]
