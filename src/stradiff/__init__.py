"""Blind source separation of recordings whose sources have temporal structure."""

from importlib.metadata import version

from stradiff.observations import Recording, artificial_sources, load_gait, read_recording, simulate  # isort: split

from stradiff.baselines import AMUSE, PCA, SOBI, FastICA, Picard  # isort: split

from stradiff.fitting import Report  # isort: split

from stradiff.evaluation import (
    amari_distance,
    best_linear_unmixing,
    match_sources,
    matched_correlation,
    mean_correlation,
    si_sdr,
)  # isort: split

from stradiff.errors import InputError, StrADiffError
from stradiff.estimator import StrADiff

__version__ = version("stradiff")

__all__ = [
    "AMUSE",
    "PCA",
    "SOBI",
    "FastICA",
    "InputError",
    "Picard",
    "Recording",
    "Report",
    "StrADiff",
    "StrADiffError",
    "amari_distance",
    "artificial_sources",
    "best_linear_unmixing",
    "load_gait",
    "match_sources",
    "matched_correlation",
    "mean_correlation",
    "read_recording",
    "si_sdr",
    "simulate",
]
