"""Blind source separation of recordings whose sources have temporal structure.

Names are imported when they are first used, so that ``stradiff --help`` need not wait for JAX.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stradiff.assess import (
        amari_distance,
        best_linear_unmixing,
        match_sources,
        matched_correlation,
        mean_correlation,
        si_sdr,
    )
    from stradiff.data import Recording, artificial_sources, load_gait, read_recording, simulate
    from stradiff.errors import InputError, StrADiffError
    from stradiff.estimator import StrADiff
    from stradiff.jobs import fit_group, fit_many
    from stradiff.linear import AMUSE, PCA, SOBI, FastICA, Picard
    from stradiff.model.mixing import register_mixing
    from stradiff.model.priors import register_prior
    from stradiff.train import Report

__version__ = version("stradiff")

# In the order of the way of the data.
_HOMES = {
    "Recording": "data",
    "read_recording": "data",
    "load_gait": "data",
    "artificial_sources": "data",
    "simulate": "data",
    "SOBI": "linear",
    "AMUSE": "linear",
    "FastICA": "linear",
    "Picard": "linear",
    "PCA": "linear",
    "register_mixing": "model.mixing",
    "register_prior": "model.priors",
    "Report": "train",
    "match_sources": "assess",
    "matched_correlation": "assess",
    "mean_correlation": "assess",
    "best_linear_unmixing": "assess",
    "amari_distance": "assess",
    "si_sdr": "assess",
    "StrADiff": "estimator",
    "fit_many": "jobs",
    "fit_group": "jobs",
    "StrADiffError": "errors",
    "InputError": "errors",
}

__all__ = [  # noqa: RUF022 (the order is that of the table above)
    "Recording",
    "read_recording",
    "load_gait",
    "artificial_sources",
    "simulate",
    "SOBI",
    "AMUSE",
    "FastICA",
    "Picard",
    "PCA",
    "register_mixing",
    "register_prior",
    "Report",
    "match_sources",
    "matched_correlation",
    "mean_correlation",
    "best_linear_unmixing",
    "amari_distance",
    "si_sdr",
    "StrADiff",
    "fit_many",
    "fit_group",
    "StrADiffError",
    "InputError",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'stradiff' has no attribute {name!r}")
    return getattr(import_module(f"stradiff.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
