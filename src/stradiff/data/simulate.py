"""Simulated recordings of known sources, mixing and noise, as in Section 3.1 of the paper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stradiff.data.checks import check_count
from stradiff.data.memory import check_memory
from stradiff.data.mixings import SimulatedMixing, random_linear, random_network, random_post_nonlinear
from stradiff.data.recording import Recording
from stradiff.data.sources import (
    ar_sources,
    artificial_sources,
    gp_sources,
    modulated_sources,
    multimodal_sources,
    sparse_sources,
    standardise,
)
from stradiff.errors import InputError, OptionError

RANDOM_SOURCES: dict[str, Callable[..., np.ndarray]] = {
    "gp": gp_sources,
    "ar": ar_sources,
    "am": modulated_sources,
    "sparse": sparse_sources,
    "multimodal": multimodal_sources,
}


@dataclass(frozen=True, eq=False)
class Simulation:
    """A recording and its ground truth: ``recording.values = mixing(sources) + noise``."""

    recording: Recording
    sources: np.ndarray
    """(T, n), mean 0 and variance 1."""
    mixing: SimulatedMixing
    noise_free: np.ndarray
    """(T, m)"""
    seed: int


def simulate(
    kind: str = "linear",
    *,
    sources: str | np.ndarray = "artificial",
    n_samples: int = 1000,
    n_channels: int | None = None,
    noise: float = 0.0,
    n_layers: int = 2,
    condition_number: float = 3.0,
    seed: int = 0,
) -> Simulation:
    """A recording of known sources and a known mixing.

    Sources, mixing and noise have separate random streams: the mixing of a seed does not depend on sources and noise.

    Parameters
    ----------
    kind : {"linear", "leaky_relu", "tanh", "post_nonlinear"}
        Linear mixing, network with that activation, or linear mixing with a tanh nonlinearity per channel.
    sources : {"artificial", "gp", "ar", "am", "sparse", "multimodal"} or ndarray (T, n)
        Three sources with the defaults of the function of that name, or an array, which is standardised.
    n_samples : int
        ``T``; ignored when ``sources`` is an array.
    n_channels : int, optional
        ``m``; as many as sources by default.
    noise : float
        Standard deviation of white Gaussian noise, as a fraction of that of each channel.
    n_layers : int
        Number of matrices of a network (kinds ``leaky_relu`` and ``tanh``).
    condition_number : float
        Of every mixing matrix.
    seed : int

    Raises
    ------
    OptionError
        An unknown name, a number out of range, or fewer channels than sources.
    InputError
        ``sources`` is an array that is not ``(T, n)``, not finite, or constant in a column.

    Examples
    --------
    >>> simulate("tanh", n_channels=6, noise=0.02, seed=1).recording.values.shape
    (1000, 6)
    """
    check_count("seed", seed, least=0)
    check_count("n_samples", n_samples, least=2)
    check_memory(200.0 * n_samples * max(3, n_channels or 0), f"Simulating {n_samples} samples")
    if not 0 <= noise < np.inf:
        raise OptionError(f"noise={noise!r} must be a fraction of the channel's deviation, 0 or above.")
    source_rng, mixing_rng, noise_rng = np.random.default_rng(seed).spawn(3)
    S = _draw_sources(sources, n_samples, source_rng)
    n, m = S.shape[1], S.shape[1] if n_channels is None else n_channels
    mixing = _draw_mixing(kind, n, m, n_layers, condition_number, mixing_rng).calibrated(S)
    noise_free = mixing(S)
    Y = noise_free + noise * noise_free.std(axis=0) * noise_rng.standard_normal(noise_free.shape)
    recording = Recording(Y, name=f"simulated {kind}, seed {seed}")
    return Simulation(recording, S, mixing, noise_free, seed)


def _draw_sources(sources: str | np.ndarray, n_samples: int, rng: np.random.Generator) -> np.ndarray:
    if isinstance(sources, str):
        if sources == "artificial":
            return artificial_sources(n_samples)
        if sources not in RANDOM_SOURCES:
            names = ", ".join(("artificial", *RANDOM_SOURCES))
            raise OptionError(f"sources={sources!r} does not exist; choose {names}, or give an array.")
        return RANDOM_SOURCES[sources](n_samples, seed=rng)
    S = np.asarray(sources, dtype=float)
    if S.ndim != 2 or not np.isfinite(S).all() or not (np.ptp(S, axis=0) > 0).all():
        raise InputError("sources must be an array (T, n) of finite numbers without a constant column.")
    return standardise(S)


def _draw_mixing(
    kind: str, n: int, m: int, n_layers: int, condition_number: float, rng: np.random.Generator
) -> SimulatedMixing:
    match kind:
        case "linear":
            return random_linear(n, m, condition_number, rng)
        case "leaky_relu" | "tanh":
            return random_network(n, m, n_layers, kind, condition_number=condition_number, seed=rng)
        case "post_nonlinear":
            return random_post_nonlinear(n, m, condition_number=condition_number, seed=rng)
    raise OptionError(f"kind={kind!r} does not exist; choose linear, leaky_relu, tanh or post_nonlinear.")
