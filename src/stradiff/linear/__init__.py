"""What a user would try first, and where training may start: scikit-learn transformers."""

from stradiff.linear.amuse import AMUSE
from stradiff.linear.base import LinearSeparator
from stradiff.linear.fastica import FastICA
from stradiff.linear.pca import PCA
from stradiff.linear.picard import Picard
from stradiff.linear.sobi import SOBI

BASELINES: dict[str, type[LinearSeparator]] = {
    "sobi": SOBI,
    "amuse": AMUSE,
    "fastica": FastICA,
    "picard": Picard,
    "pca": PCA,
}

__all__ = ["AMUSE", "BASELINES", "PCA", "SOBI", "FastICA", "LinearSeparator", "Picard"]
