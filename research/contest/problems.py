"""Problems with known truth, each drawn by seed: sources, what mixes them, noise.

Source, mixing and noise have random streams of their own, as in ``stradiff.simulate``: a seed gives the same mixing
whatever the noise, and the same problem to every method.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stradiff.data.mixings import SimulatedMixing, random_linear, random_network, random_post_nonlinear
from stradiff.data.sources import (
    ar_sources,
    artificial_sources,
    gp_sources,
    modulated_sources,
    multimodal_sources,
    sparse_sources,
    standardise,
)

REAL_VARIABLE = "STRADIFF_REAL_SOURCES"
REAL_DEFAULT = Path(__file__).parents[3] / "shared" / "data" / "real_sources.npz"
# What a user would choose for a recording mixed like this: a linear map, a network, a curve per channel.
MAPS = {
    "linear": "linear",
    "leaky_relu": "mlp",
    "tanh": "mlp",
    "post_nonlinear": "post_nonlinear",
    "sensor": "post_nonlinear",
    "saturation": "post_nonlinear",
}


@dataclass(frozen=True)
class Problem:
    """One row of the list in ``tiers``; ``draw`` makes it a recording."""

    name: str
    mixing: str = "linear"
    """linear; leaky_relu or tanh (networks); or per channel: post_nonlinear (tanh(x) + 0.1 x), sensor
    (tanh(0.5 x) + 0.1 x), saturation (tanh(0.5 x)).
    """
    sources: str = "artificial"
    n_sources: int = 3
    n_channels: int = 3
    n_samples: int = 1000
    noise: float = 0.0
    """Standard deviation of white noise, as a fraction of each channel's own."""
    condition: float = 3.0
    """Condition number of every mixing matrix."""
    n_layers: int = 2
    """Matrices of a network."""
    slope: float = 0.2
    """Of a leaky ReLU below zero."""
    description: str = ""
    """In words, where the tables are not to put it together."""
    n_recordings: int = 1
    """Equally long recordings of one mixing, one after the other."""

    @property
    def map(self) -> str:
        """The option ``mixing`` that a user of StrADiff would choose here."""
        return MAPS[self.mixing]

    def draw(self, seed: int, real: Path | None = None) -> Example:
        """The recording at ``seed``; problems of other papers have rules of their own."""
        return draw(self, seed, real)


@dataclass(frozen=True, eq=False)
class Example:
    """A problem at one seed: ``observed = mixing(sources) + noise``."""

    observed: np.ndarray
    """(T, m)"""
    sources: np.ndarray
    """(T, n), mean 0 and variance 1."""
    noise_free: np.ndarray
    """(T, m)"""
    matrix: np.ndarray | None
    """The mixing matrix (m, n) where mixing is linear."""


def draw(problem: Problem, seed: int, real: Path | None = None) -> Example:
    """The recording of ``problem`` at ``seed``; ``real`` is the file of the real sources."""
    source_rng, mixing_rng, noise_rng = np.random.default_rng(seed).spawn(3)
    S = draw_sources(problem, source_rng, real)
    if S.shape != (problem.n_samples, problem.n_sources):
        raise ValueError(f"{problem.name}: the sources are {S.shape}, promised {problem.n_samples, problem.n_sources}.")
    mixing = draw_mixing(problem, mixing_rng).calibrated(S)
    noise_free = mixing(S)
    noise = problem.noise * noise_free.std(axis=0) * noise_rng.standard_normal(noise_free.shape)
    return Example(noise_free + noise, S, noise_free, mixing.matrix if problem.mixing == "linear" else None)


def draw_sources(problem: Problem, rng: np.random.Generator, real: Path | None = None) -> np.ndarray:
    """Sources ``(T, n)`` of the kind that the problem names."""
    n, T = problem.n_sources, problem.n_samples
    match problem.sources:
        case "artificial":
            return artificial_sources(T)[:, :n]
        case "rbf" | "matern32":
            return gp_sources(T, np.geomspace(50, 5, n), problem.sources, rng)
        case "ar":
            return ar_sources(T, frequencies(n), seed=rng)
        case "modulated":
            return modulated_sources(T, seed=rng)
        case "sparse":
            return sparse_sources(T, seed=rng)
        case "multimodal":
            return multimodal_sources(T, seed=rng)
        case "real":
            return real_sources(real)
    raise ValueError(f"{problem.name}: there are no sources called {problem.sources!r}.")


def frequencies(n: int) -> np.ndarray:
    """Resonances of ``n`` autoregressive sources, in cycles per sample: evenly spread, closer the more there are."""
    return np.linspace(0.01, min(0.3, 0.1 * n), n) if n <= 5 else np.linspace(0.01, 0.45, n)


def real_sources(path: Path | None = None) -> np.ndarray:
    """The four real sources ``(1000, 4)``: an ECG, a seismic trace, infrasound and a walking trunk's acceleration."""
    with np.load(path or find_real()) as file:
        return standardise(file["short"].astype(float))


def find_real(given: Path | None = None) -> Path:
    """Where the file of the real sources is looked for: the path given, the environment variable, ``../shared``."""
    return given or Path(os.environ.get(REAL_VARIABLE) or REAL_DEFAULT)


@dataclass(frozen=True, eq=False)
class SensorMixing:
    """``tanh(0.5 x) + leak x`` of each channel ``x`` of a linear mixing, at variance 1: a mildly saturating sensor."""

    matrix: np.ndarray
    scale: np.ndarray
    leak: float = 0.1

    def __call__(self, S: np.ndarray) -> np.ndarray:
        """Channels ``(T, m)`` of sources ``(T, n)``."""
        x = S @ self.matrix.T / self.scale
        return np.tanh(0.5 * x) + self.leak * x

    def calibrated(self, S: np.ndarray) -> SensorMixing:
        """The same sensor, its range set to the spread it meets."""
        return replace(self, scale=(S @ self.matrix.T).std(axis=0))


def draw_mixing(problem: Problem, rng: np.random.Generator) -> SimulatedMixing | SensorMixing:
    """The map from sources to channels, its nonlinearities still to be calibrated."""
    n, m = problem.n_sources, problem.n_channels
    match problem.mixing:
        case "linear":
            return random_linear(n, m, problem.condition, rng)
        case "leaky_relu" | "tanh":
            return random_network(n, m, problem.n_layers, problem.mixing, problem.slope, problem.condition, rng)
        case "post_nonlinear":
            return random_post_nonlinear(n, m, condition_number=problem.condition, seed=rng)
        case "sensor" | "saturation":
            leak = 0.1 if problem.mixing == "sensor" else 0.0
            return SensorMixing(random_linear(n, m, problem.condition, rng).matrix, np.ones(m), leak)
    raise ValueError(f"{problem.name}: there is no mixing called {problem.mixing!r}.")
