"""Recordings with known truth: sources, mixings, noise (the experiments of Section 3.1, in our own formulas).

Sources are drawn in O(T log T): white noise is coloured on a ring much longer than the recording, and the
recording is a piece of that ring. Every draw comes from ``numpy.random.default_rng(seed)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stradiff.errors import InputError, OptionError
from stradiff.observations.memory import check_memory
from stradiff.observations.mixings import (
    Bend,
    LinearMixing,
    Mixing,
    NetworkMixing,
    PostNonlinearMixing,
    Seed,
    check_count,
    random_linear,
    random_network,
    random_post_nonlinear,
)
from stradiff.observations.recording import Recording

__all__ = [
    "Bend",
    "LinearMixing",
    "Mixing",
    "NetworkMixing",
    "PostNonlinearMixing",
    "Simulation",
    "ar_sources",
    "artificial_sources",
    "gp_sources",
    "random_linear",
    "random_network",
    "random_post_nonlinear",
    "simulate",
]

# --- sources ------------------------------------------------------------------------------------------


def artificial_sources(n_samples: int = 1000) -> np.ndarray:
    r"""Three deterministic sources: a slow, a middle and a fast one, with different amplitude distributions.

    With ``t`` from 0 to 1 in ``n_samples`` steps and frequencies in cycles per recording::

        slow    (1 + 0.4 cos(2 pi t)) sin(2 pi 3 t + 0.6 sin(2 pi t))    amplitude and phase modulated
        middle  tanh(1.5 sin(2 pi 11 t + 0.8 sin(2 pi 2 t)))             flat-topped
        fast    exp(cos(2 pi 5 t)) sin(2 pi 40 t + 3 sin(2 pi 3 t))      bursts, 31 to 49 cycles

    and then each to mean 0 and variance 1. The formulas are ours: the paper says only that its three sources
    have different temporal structures, and prints none.

    Parameters
    ----------
    n_samples : int
        At least 150, or the fast source is not resolved by its samples.

    Returns
    -------
    ndarray, shape (n_samples, 3)
        Mutual correlations are below 0.05.

    Examples
    --------
    >>> artificial_sources(500).shape
    (500, 3)
    """
    check_count("n_samples", n_samples, least=150)
    t = 2 * np.pi * np.linspace(0.0, 1.0, n_samples)
    slow = (1 + 0.4 * np.cos(t)) * np.sin(3 * t + 0.6 * np.sin(t))
    middle = np.tanh(1.5 * np.sin(11 * t + 0.8 * np.sin(2 * t)))
    fast = np.exp(np.cos(5 * t)) * np.sin(40 * t + 3 * np.sin(3 * t))
    return _standardise(np.column_stack([slow, middle, fast]))


def gp_sources(
    n_samples: int = 1000,
    length_scales: Sequence[float] | np.ndarray = (50.0, 15.0, 5.0),
    kernel: str = "rbf",
    seed: Seed = 0,
) -> np.ndarray:
    """One stationary Gaussian process per length-scale, each to mean 0 and variance 1.

    Drawn by circulant embedding (Dietrich & Newsam 1997): the ring is 40 length-scales longer than twice the
    recording, so the covariance of the piece is the kernel's (to 1e-8 for Matern 1/2, else to rounding).

    Parameters
    ----------
    n_samples : int
        ``T``, at least 2.
    length_scales : sequence of float
        In samples, above 0 and at most ``n_samples``.
    kernel : {"rbf", "matern12", "matern32", "matern52"}
    seed : int or numpy Generator

    Returns
    -------
    ndarray, shape (n_samples, len(length_scales))
    """
    check_count("n_samples", n_samples, least=2)
    if kernel not in _KERNELS:
        raise OptionError(f"kernel={kernel!r} does not exist; choose one of {', '.join(_KERNELS)}.")
    if not len(length_scales) or not all(0 < scale <= n_samples for scale in length_scales):
        raise OptionError(f"length_scales={length_scales!r} must be samples above 0 and at most {n_samples}.")
    rng = np.random.default_rng(seed)
    spectra = [_kernel_spectrum(kernel, scale, n_samples) for scale in length_scales]
    return _standardise(np.column_stack([_piece_of_ring(spectrum, n_samples, rng) for spectrum in spectra]))


def ar_sources(
    n_samples: int = 1000,
    frequencies: Sequence[float] | np.ndarray = (0.01, 0.05, 0.15),
    damping: float = 0.97,
    seed: Seed = 0,
) -> np.ndarray:
    """One autoregressive resonance per frequency, each to mean 0 and variance 1.

    ``s_t = 2 r cos(2 pi f) s_{t-1} - r^2 s_{t-2} + e_t`` with ``e`` white and Gaussian and ``r`` the damping.

    Parameters
    ----------
    n_samples : int
        ``T``, at least 2.
    frequencies : sequence of float
        In cycles per sample, from 0 to 0.5.
    damping : float
        ``r``, the modulus of the poles, from 0 to 0.9999: towards 1 the resonance is sharper.
    seed : int or numpy Generator

    Returns
    -------
    ndarray, shape (n_samples, len(frequencies))
    """
    check_count("n_samples", n_samples, least=2)
    if not 0 <= damping <= 0.9999:  # the ring must be longer than the memory
        raise OptionError(f"damping={damping!r} must be from 0 to 0.9999: at 1 the resonance never dies.")
    if not len(frequencies) or not all(0 <= f <= 0.5 for f in frequencies):
        raise OptionError(f"frequencies={frequencies!r} must be in cycles per sample, from 0 to 0.5.")
    rng = np.random.default_rng(seed)
    spectra = [_resonance_spectrum(frequency, damping, n_samples) for frequency in frequencies]
    return _standardise(np.column_stack([_piece_of_ring(spectrum, n_samples, rng) for spectrum in spectra]))


_KERNELS = {
    "rbf": lambda r: np.exp(-0.5 * r**2),
    "matern12": lambda r: np.exp(-r),
    "matern32": lambda r: (1 + np.sqrt(3) * r) * np.exp(-np.sqrt(3) * r),
    "matern52": lambda r: (1 + np.sqrt(5) * r + 5 / 3 * r**2) * np.exp(-np.sqrt(5) * r),
}


def _kernel_spectrum(kernel: str, length_scale: float, n_samples: int) -> np.ndarray:
    """Power over frequency of a kernel wrapped around its ring."""
    size = _ring_size(n_samples + 20 * length_scale)
    lag = np.arange(size)
    covariance = _KERNELS[kernel](np.minimum(lag, size - lag) / length_scale)
    return np.maximum(np.fft.rfft(covariance).real, 0.0)  # where it vanishes, rounding has either sign


def _resonance_spectrum(frequency: float, damping: float, n_samples: int) -> np.ndarray:
    """Power over frequency of the recursion in ``ar_sources``, driven by white noise of variance 1."""
    memory = np.log(1e-12) / np.log(max(damping, 1e-3))  # samples until r^k has died away
    delay = np.exp(-2j * np.pi * np.fft.rfftfreq(_ring_size(n_samples + memory)))
    return np.abs(1 - 2 * damping * np.cos(2 * np.pi * frequency) * delay + (damping * delay) ** 2) ** -2


def _ring_size(samples: float) -> int:
    """Smallest power of two that holds twice ``samples`` (quick for the FFT, and its ends are far apart)."""
    return 1 << int(np.ceil(np.log2(2 * samples)))


def _piece_of_ring(spectrum: np.ndarray, n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """First samples of a ring of white noise coloured to ``spectrum (size // 2 + 1,)``."""
    size = 2 * (len(spectrum) - 1)
    white = np.fft.rfft(rng.standard_normal(size))
    return np.fft.irfft(np.sqrt(spectrum) * white, n=size)[:n_samples]


def _standardise(S: np.ndarray) -> np.ndarray:
    return (S - S.mean(axis=0)) / S.std(axis=0)


# --- recordings ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Simulation:
    """A recording with everything that made it: ``recording.values = mixing(sources) + noise``."""

    recording: Recording
    sources: np.ndarray
    """(T, n), mean 0 and variance 1."""
    mixing: Mixing
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
    """A recording of known sources through a known mixing.

    Sources, mixing and noise have separate random streams: the same seed gives the same mixing whatever the
    sources and the noise.

    Parameters
    ----------
    kind : {"linear", "leaky_relu", "tanh", "post_nonlinear"}
        Linear map, network with that bend, or linear map with a tanh bend per channel.
    sources : {"artificial", "gp", "ar"} or ndarray (T, n)
        Three sources by name with the defaults of the function of that name, or your own (standardised here).
    n_samples : int
        ``T``; ignored when ``sources`` is an array.
    n_channels : int, optional
        ``m``; as many as sources by default.
    noise : float
        White Gaussian noise, as a fraction of each channel's standard deviation.
    n_layers : int
        Matrices of a network (kinds ``leaky_relu`` and ``tanh``).
    condition_number : float
        Of every mixing matrix.
    seed : int

    Raises
    ------
    OptionError
        A name that does not exist, a number out of range, or fewer channels than sources.
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
    S = _sources(sources, n_samples, source_rng)
    n, m = S.shape[1], S.shape[1] if n_channels is None else n_channels
    mixing = _mixing(kind, n, m, n_layers, condition_number, mixing_rng).calibrated(S)
    noise_free = mixing(S)
    Y = noise_free + noise * noise_free.std(axis=0) * noise_rng.standard_normal(noise_free.shape)
    names = tuple(f"channel {j + 1}" for j in range(m))
    name = f"simulated {kind}, seed {seed}"
    recording = Recording(values=Y, times=None, sampling_rate=None, channel_names=names, units=None, name=name)
    return Simulation(recording, S, mixing, noise_free, seed)


def _sources(sources: str | np.ndarray, n_samples: int, rng: np.random.Generator) -> np.ndarray:
    if isinstance(sources, str):
        match sources:
            case "artificial":
                return artificial_sources(n_samples)
            case "gp":
                return gp_sources(n_samples, seed=rng)
            case "ar":
                return ar_sources(n_samples, seed=rng)
        raise OptionError(f"sources={sources!r} does not exist; choose artificial, gp, ar, or give an array.")
    S = np.asarray(sources, dtype=float)
    if S.ndim != 2 or not np.isfinite(S).all() or not (np.ptp(S, axis=0) > 0).all():
        raise InputError("sources must be an array (T, n) of finite numbers without a constant column.")
    return _standardise(S)


def _mixing(kind: str, n: int, m: int, n_layers: int, condition_number: float, rng: np.random.Generator) -> Mixing:
    match kind:
        case "linear":
            return random_linear(n, m, condition_number, rng)
        case "leaky_relu" | "tanh":
            return random_network(n, m, n_layers, kind, condition_number=condition_number, seed=rng)
        case "post_nonlinear":
            return random_post_nonlinear(n, m, condition_number=condition_number, seed=rng)
    raise OptionError(f"kind={kind!r} does not exist; choose linear, leaky_relu, tanh or post_nonlinear.")
