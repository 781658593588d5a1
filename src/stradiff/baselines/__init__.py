"""What a user would try first, and where training may start: scikit-learn transformers."""

from stradiff.baselines.amuse import AMUSE
from stradiff.baselines.base import LinearSeparator
from stradiff.baselines.fastica import FastICA
from stradiff.baselines.pca import PCA
from stradiff.baselines.picard import Picard
from stradiff.baselines.sobi import SOBI

BASELINES: dict[str, type[LinearSeparator]] = {
    "sobi": SOBI,
    "amuse": AMUSE,
    "fastica": FastICA,
    "picard": Picard,
    "pca": PCA,
}

__all__ = ["AMUSE", "BASELINES", "PCA", "SOBI", "FastICA", "LinearSeparator", "Picard"]
