"""Linear separation methods as scikit-learn transformers: baselines, and initialisations of training."""

from stradiff.linear.base import PCA, LinearSeparator
from stradiff.linear.ica import FastICA, Picard
from stradiff.linear.sobi import AMUSE, SOBI

BASELINES: dict[str, type[LinearSeparator]] = {cls.__name__.lower(): cls for cls in (SOBI, AMUSE, FastICA, Picard, PCA)}

__all__ = ["AMUSE", "BASELINES", "PCA", "SOBI", "FastICA", "LinearSeparator", "Picard"]
