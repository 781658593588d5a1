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
    from stradiff.config import Checkpoint, Diffusion, Laplace, MonteCarlo, Objective, Training
    from stradiff.data import Recording, artificial_sources, load_gait, read_recording, simulate
    from stradiff.errors import InputError, StrADiffError
    from stradiff.estimator import StrADiff
    from stradiff.jobs.group import fit_group
    from stradiff.jobs.recordings import fit_many
    from stradiff.linear import AMUSE, PCA, SOBI, FastICA, Picard
    from stradiff.model.diffusion.networks import Convolutional, Dense
    from stradiff.model.mixing import MLP, Invertible, Linear, PostNonlinear, Residual, register_mixing
    from stradiff.model.priors import Autoregression, GaussianMixture, GaussianProcess, register_prior
    from stradiff.train import Report

__version__ = version("stradiff")

# In the order in which a user meets them.
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
    "StrADiff": "estimator",
    "Linear": "model.mixing",
    "MLP": "model.mixing",
    "Residual": "model.mixing",
    "PostNonlinear": "model.mixing",
    "Invertible": "model.mixing",
    "GaussianProcess": "model.priors",
    "Autoregression": "model.priors",
    "GaussianMixture": "model.priors",
    "Diffusion": "config",
    "Dense": "model.diffusion.networks",
    "Convolutional": "model.diffusion.networks",
    "Objective": "config",
    "Training": "config",
    "Laplace": "config",
    "MonteCarlo": "config",
    "Checkpoint": "config",
    "Report": "train",
    "register_mixing": "model.mixing",
    "register_prior": "model.priors",
    "fit_many": "jobs.recordings",
    "fit_group": "jobs.group",
    "match_sources": "assess",
    "matched_correlation": "assess",
    "mean_correlation": "assess",
    "best_linear_unmixing": "assess",
    "amari_distance": "assess",
    "si_sdr": "assess",
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
    "StrADiff",
    "Linear",
    "MLP",
    "Residual",
    "PostNonlinear",
    "Invertible",
    "GaussianProcess",
    "Autoregression",
    "GaussianMixture",
    "Diffusion",
    "Dense",
    "Convolutional",
    "Objective",
    "Training",
    "Laplace",
    "MonteCarlo",
    "Checkpoint",
    "Report",
    "register_mixing",
    "register_prior",
    "fit_many",
    "fit_group",
    "match_sources",
    "matched_correlation",
    "mean_correlation",
    "best_linear_unmixing",
    "amari_distance",
    "si_sdr",
    "StrADiffError",
    "InputError",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'stradiff' has no attribute {name!r}")
    return getattr(import_module(f"stradiff.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
