"""Quality of a separation: metrics against known truth, diagnostics without it."""

from stradiff.assess.alignment import Matching, match_sources
from stradiff.assess.metrics import (
    amari_distance,
    best_linear_unmixing,
    coverage,
    explained_variance,
    matched_correlation,
    mean_correlation,
    si_sdr,
)

__all__ = [
    "Matching",
    "amari_distance",
    "best_linear_unmixing",
    "coverage",
    "explained_variance",
    "match_sources",
    "matched_correlation",
    "mean_correlation",
    "si_sdr",
]
