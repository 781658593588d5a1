"""Sources with known structure in time and known distributions, to mix and to find again.

Random ones are drawn in O(T log T): white noise is coloured on a ring much longer than the recording, and the
recording is a piece of that ring. Every draw comes from ``numpy.random.default_rng(seed)``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.signal import lfilter
from scipy.special import ndtr

from stradiff.data.mixings import Seed, check_count
from stradiff.errors import OptionError


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
    return standardise(np.column_stack([slow, middle, fast]))


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
    return standardise(np.column_stack([_piece_of_ring(spectrum, n_samples, rng) for spectrum in spectra]))


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
    return standardise(np.column_stack([_piece_of_ring(spectrum, n_samples, rng) for spectrum in spectra]))


def modulated_sources(
    n_samples: int = 1000,
    frequencies: Sequence[float] | np.ndarray = (0.02, 0.06, 0.15),
    depth: float = 0.5,
    seed: Seed = 0,
) -> np.ndarray:
    """Amplitude-modulated noise bands: ``s_t = exp(depth g_t) r_t``, each to mean 0 and variance 1.

    ``r`` is a resonance of ``ar_sources`` (damping 0.97) and ``g`` an independent Gaussian process of variance 1 whose
    RBF length-scale is five periods (at most the recording): bursts and quiet stretches, hence heavy tails, a kurtosis
    of 3 exp(4 depth^2) in a recording long enough.

    Parameters
    ----------
    n_samples : int
        ``T``, at least 2.
    frequencies : sequence of float
        In cycles per sample, above 0 and at most 0.5.
    depth : float
        Deviation of the logarithm of the amplitude, from 0 (a plain resonance) to 2.
    seed : int or numpy Generator

    Returns
    -------
    ndarray, shape (n_samples, len(frequencies))
    """
    if not 0 <= depth <= 2:
        raise OptionError(f"depth={depth!r} must be from 0 (no modulation) to 2 (a few bursts are all there is).")
    if not len(frequencies) or not all(0 < f <= 0.5 for f in frequencies):
        raise OptionError(f"frequencies={frequencies!r} must be in cycles per sample, above 0 and at most 0.5.")
    rng = np.random.default_rng(seed)
    carrier = ar_sources(n_samples, frequencies, seed=rng)
    amplitude = gp_sources(n_samples, [min(5 / f, float(n_samples)) for f in frequencies], seed=rng)
    return standardise(np.exp(depth * amplitude) * carrier)


def sparse_sources(
    n_samples: int = 1000,
    frequencies: Sequence[float] | np.ndarray = (0.01, 0.05, 0.15),
    damping: float = 0.8,
    freedom: float = 3.0,
    seed: Seed = 0,
) -> np.ndarray:
    """Resonances struck by rare large innovations, each to mean 0 and variance 1.

    The recursion of ``ar_sources`` with Student-t innovations: heavy tails, and a memory of a few samples.

    Parameters
    ----------
    n_samples, frequencies, seed : as in ``ar_sources``
    damping : float
        From 0 to 0.99; the nearer to 1, the more innovations overlap and the nearer to Gaussian is their sum.
    freedom : float
        Degrees of freedom of the innovations, above 2.

    Returns
    -------
    ndarray, shape (n_samples, len(frequencies))
    """
    check_count("n_samples", n_samples, least=2)
    if not 0 <= damping <= 0.99:
        raise OptionError(f"damping={damping!r} must be from 0 to 0.99: nearer to 1 the sources are Gaussian.")
    if not 2 < freedom < np.inf:
        raise OptionError(f"freedom={freedom!r} must be above 2: below, a Student density has no variance.")
    if not len(frequencies) or not all(0 <= f <= 0.5 for f in frequencies):
        raise OptionError(f"frequencies={frequencies!r} must be in cycles per sample, from 0 to 0.5.")
    rng = np.random.default_rng(seed)
    before = 1 + int(np.log(1e-12) / np.log(max(damping, 1e-3)))  # samples until the beginning is forgotten
    struck = rng.standard_t(freedom, (before + n_samples, len(frequencies)))
    recursions = [[1.0, -2 * damping * np.cos(2 * np.pi * f), damping**2] for f in frequencies]
    rung = [lfilter([1.0], recursion, e) for recursion, e in zip(recursions, struck.T, strict=True)]
    return standardise(np.column_stack(rung)[before:])


def multimodal_sources(
    n_samples: int = 1000,
    length_scales: Sequence[float] | np.ndarray = (40.0, 12.0, 4.0),
    n_modes: Sequence[int] = (2, 3, 2),
    seed: Seed = 0,
) -> np.ndarray:
    """Smooth walks between levels: Matern 3/2 processes through a quantile map, each to mean 0 and variance 1.

    ``s_t = F^-1(Phi(g_t))``, ``F`` Gaussians of deviation 0.4 at 0, 2, 4, .. with weights as 3 : 2 : 3 : ...

    Parameters
    ----------
    n_samples, length_scales, seed : as in ``gp_sources``
    n_modes : sequence of int
        Modes of each source, at least 2.

    Returns
    -------
    ndarray, shape (n_samples, len(length_scales))
    """
    if len(n_modes) != len(length_scales) or not all(isinstance(k, int | np.integer) and k >= 2 for k in n_modes):
        raise OptionError(f"n_modes={n_modes!r} must be one whole number of at least 2 for each length-scale.")
    rank = ndtr(gp_sources(n_samples, length_scales, "matern32", seed))
    return standardise(np.column_stack([_levels(u, k) for u, k in zip(rank.T, n_modes, strict=True)]))


def _levels(rank: np.ndarray, n_modes: int) -> np.ndarray:
    """Quantiles of Gaussians (deviation 0.4) at 0, 2, 4, .. with weights proportional to 3, 2, 3, 2, ..."""
    place, deviation = 2.0 * np.arange(n_modes), 0.4
    weight = np.where(np.arange(n_modes) % 2 == 0, 3.0, 2.0)
    grid = np.linspace(-6 * deviation, place[-1] + 6 * deviation, 4001)
    distribution = ndtr((grid[:, None] - place) / deviation) @ (weight / weight.sum())
    return np.interp(rank, distribution, grid)


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


def standardise(S: np.ndarray) -> np.ndarray:
    """Every column to mean 0 and variance 1."""
    return (S - S.mean(axis=0)) / S.std(axis=0)
