"""Every method of the tables behind one call: a recording goes in, an ``Outcome`` comes out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from contest.problems import Example, Problem
from stradiff.assess import best_linear_unmixing
from stradiff.errors import SeparationWarning
from stradiff.linear import AMUSE, PCA, SOBI, FastICA, LinearSeparator, Picard
from stradiff.model.priors import PRIORS as PRIOR_FAMILIES


@dataclass
class Outcome:
    """What a method found; ``None`` where it does not say."""

    sources: np.ndarray
    """(T, n)"""
    reconstruction: np.ndarray | None = None
    """(T, m), in the units of the recording."""
    unmixing: np.ndarray | None = None
    """(n, m), of linear methods."""
    facts: dict[str, Any] = field(default_factory=dict)


SEPARATED = ("sources_", "reconstruction_")
Method = Callable[[Problem, Example, int], Outcome]

DEFAULT, ORACLE = "StrADiff", "best linear (oracle)"
LINEAR = ("SOBI", "AMUSE", "FastICA", "Picard", "PCA")
PEERS = ("iVAE", "PCL")
PRIOR_NAMES = (*PRIOR_FAMILIES, "rbf+matern12")  # and "auto", the default
PRIORS: dict[str, dict[str, Any]] = {f"StrADiff, prior {name}": {"prior": name} for name in PRIOR_NAMES}
PRESETS: dict[str, dict[str, Any]] = {"StrADiff, preset paper": {"preset": "paper"}}
BRANCHES: dict[str, dict[str, Any]] = {
    "StrADiff, no diffusion branch": {"diffusion__network": "none"},
    "StrADiff, one shared branch": {"diffusion__shared": True},
}
ABLATIONS: dict[str, dict[str, Any]] = {
    **BRANCHES,
    "StrADiff, no prior": {"objective__lambda_prior": 0.0, "objective__lambda_volume": 0.0},
    "StrADiff, no volume": {"objective__lambda_volume": 0.0},
    "StrADiff, no KL": {"objective__lambda_kl": 0.0},
    "StrADiff, no SOBI initialisation": {"init": "random"},
    "StrADiff, MAP only": {"diffusion__deterministic_start": True},
}


def stradiff(**options: Any) -> Method:
    """StrADiff with ``options``, as in ``set_params``, over its defaults, and the map that suits the kind of mixing."""

    def separate(problem: Problem, example: Example, seed: int) -> Outcome:
        from stradiff import StrADiff, fit_group

        model = StrADiff(problem.n_sources, mixing=problem.map, random_state=seed, verbose=False).set_params(**options)
        with warnings.catch_warnings():
            for category in (ConvergenceWarning, SeparationWarning):
                warnings.simplefilter("ignore", category)  # the row says how many there were
            recordings = np.split(example.observed, problem.n_recordings)
            fits = [model.fit(example.observed)] if len(recordings) == 1 else fit_group(recordings, model)
        sources, reconstruction = (np.vstack([getattr(fit, name) for fit in fits]) for name in SEPARATED)
        first = fits[0]
        unmixing = np.linalg.pinv(first.mixing_) if problem.map == "linear" else None
        notes = sorted({found["kind"] for fit in fits for found in fit.diagnostics_})
        facts = {
            "epochs": first.n_epochs_,
            "converged": first.converged_,
            "warnings": len(first.warnings_),
            "notes": notes,
        }
        return Outcome(sources, reconstruction, unmixing, facts)

    return separate


def linear(make: Callable[[Problem, int], LinearSeparator]) -> Method:
    """A linear method of the package."""

    def separate(problem: Problem, example: Example, seed: int) -> Outcome:
        method = make(problem, seed)
        sources = method.fit_transform(example.observed)
        return Outcome(sources, method.inverse_transform(sources), method.components_)

    return separate


def peer(name: str) -> Method:
    """A nonlinear method of ``contest.peers``."""

    def separate(problem: Problem, example: Example, seed: int) -> Outcome:
        from contest import peers

        options = {"depth": max(2, problem.n_layers)} if name == "PCL" else {}  # its paper knows the number of layers
        method = getattr(peers, name)(problem.n_sources, random_state=seed, **options)
        sources = method.fit_transform(example.observed)
        return Outcome(sources, getattr(method, "reconstruction_", None))

    return separate


def oracle(problem: Problem, example: Example, seed: int) -> Outcome:
    """Least squares of the true sources on the channels, and of the channels on those: no linear method does better."""
    sources = best_linear_unmixing(example.observed, example.sources)
    return Outcome(sources, best_linear_unmixing(sources, example.observed))


METHODS: dict[str, Method] = {
    DEFAULT: stradiff(),
    "SOBI": linear(lambda problem, seed: SOBI(problem.n_sources)),
    "AMUSE": linear(lambda problem, seed: AMUSE(problem.n_sources)),
    "FastICA": linear(lambda problem, seed: FastICA(problem.n_sources, random_state=seed)),
    "Picard": linear(lambda problem, seed: Picard(problem.n_sources, random_state=seed)),
    "PCA": linear(lambda problem, seed: PCA(problem.n_sources)),
    "iVAE": peer("IVAE"),
    "PCL": peer("PCL"),
    ORACLE: oracle,
    **{name: stradiff(**options) for name, options in {**PRIORS, **PRESETS, **ABLATIONS}.items()},
}
