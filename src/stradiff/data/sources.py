"""Simulated sources with known temporal structure and distributions: ``(n_samples, n)``, standardised columns.

Stationary Gaussian sources are drawn in O(T log T): white noise is filtered on a ring much longer than the recording,
of which the recording is a segment.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.signal import lfilter
from scipy.special import ndtr

from stradiff.data.checks import check_count
from stradiff.data.mixings import Seed
from stradiff.errors import OptionError

Numbers = Sequence[float] | np.ndarray


def artificial_sources(n_samples: int = 1000) -> np.ndarray:
    r"""Three deterministic sources: slow, middle and fast, with different amplitude distributions.

    With ``t`` from 0 to 1 in ``n_samples`` steps and frequencies in cycles per recording::

        slow    (1 + 0.4 cos(2 pi t)) sin(2 pi 3 t + 0.6 sin(2 pi t))    amplitude and phase modulated
        middle  tanh(1.5 sin(2 pi 11 t + 0.8 sin(2 pi 2 t)))             flat-topped
        fast    exp(cos(2 pi 5 t)) sin(2 pi 40 t + 3 sin(2 pi 3 t))      bursts, 31 to 49 cycles

    each standardised, with mutual correlations below 0.05. The paper does not give the formulas of its three sources,
    only that their temporal structures differ.

    Parameters
    ----------
    n_samples : int
        At least 150, so that the fast source is resolved.

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
    n_samples: int = 1000, length_scales: Numbers = (50.0, 15.0, 5.0), kernel: str = "rbf", seed: Seed = 0
) -> np.ndarray:
    """One standardised stationary Gaussian process per length-scale.

    Drawn by circulant embedding (Dietrich & Newsam 1997): the ring is 40 length-scales longer than twice the
    recording, so that the covariance is the kernel's to 1e-8 for Matern 1/2, and to rounding otherwise.

    Parameters
    ----------
    n_samples : int
        ``T``, at least 2.
    length_scales : sequence of float
        In samples, above 0 and at most ``n_samples``.
    kernel : {"rbf", "matern12", "matern32", "matern52"}
    seed : int or numpy Generator
    """
    check_count("n_samples", n_samples, least=2)
    if kernel not in _KERNELS:
        raise OptionError(f"kernel={kernel!r} does not exist; choose one of {', '.join(_KERNELS)}.")
    if not len(length_scales) or not all(0 < scale <= n_samples for scale in length_scales):
        raise OptionError(f"length_scales={length_scales!r} must be samples above 0 and at most {n_samples}.")
    return _draw([_kernel_spectrum(kernel, scale, n_samples) for scale in length_scales], n_samples, seed)


def ar_sources(
    n_samples: int = 1000, frequencies: Numbers = (0.01, 0.05, 0.15), damping: float = 0.97, seed: Seed = 0
) -> np.ndarray:
    """One standardised autoregressive resonance per frequency.

    ``s_t = 2 r cos(2 pi f) s_{t-1} - r^2 s_{t-2} + e_t`` with ``e`` white and Gaussian and ``r`` the damping.

    Parameters
    ----------
    n_samples, seed : as in ``gp_sources``
    frequencies : sequence of float
        In cycles per sample, from 0 to 0.5.
    damping : float
        ``r``, the modulus of the poles, from 0 to 0.9999; the resonance sharpens towards 1.
    """
    check_count("n_samples", n_samples, least=2)
    if not 0 <= damping <= 0.9999:  # the ring must be longer than the memory
        raise OptionError(f"damping={damping!r} must be from 0 to 0.9999: at 1 the resonance never decays.")
    _check_frequencies(frequencies)
    return _draw([_resonance_spectrum(f, damping, n_samples) for f in frequencies], n_samples, seed)


def modulated_sources(
    n_samples: int = 1000, frequencies: Numbers = (0.02, 0.06, 0.15), depth: float = 0.5, seed: Seed = 0
) -> np.ndarray:
    """Amplitude-modulated noise bands: ``s_t = exp(depth g_t) r_t``, standardised.

    ``r`` is a resonance of ``ar_sources`` (damping 0.97) and ``g`` an independent Gaussian process of variance 1 whose
    RBF length-scale is five periods (at most the recording): bursts, and hence heavy tails, with a kurtosis of
    3 exp(4 depth^2) in a long recording.

    Parameters
    ----------
    n_samples, seed : as in ``gp_sources``
    frequencies : sequence of float
        In cycles per sample, above 0 and at most 0.5.
    depth : float
        Standard deviation of the logarithm of the amplitude, from 0 (no modulation) to 2.
    """
    if not 0 <= depth <= 2:
        raise OptionError(f"depth={depth!r} must be from 0 (no modulation) to 2 (a few bursts only).")
    _check_frequencies(frequencies, allow_zero=False)
    rng = np.random.default_rng(seed)
    carrier = ar_sources(n_samples, frequencies, seed=rng)
    amplitude = gp_sources(n_samples, [min(5 / f, float(n_samples)) for f in frequencies], seed=rng)
    return standardise(np.exp(depth * amplitude) * carrier)


def sparse_sources(
    n_samples: int = 1000,
    frequencies: Numbers = (0.01, 0.05, 0.15),
    damping: float = 0.8,
    freedom: float = 3.0,
    seed: Seed = 0,
) -> np.ndarray:
    """Resonances excited by rare large innovations, standardised.

    The recursion of ``ar_sources`` with Student-t innovations: heavy tails, and a memory of a few samples.

    Parameters
    ----------
    n_samples, frequencies, seed : as in ``ar_sources``
    damping : float
        From 0 to 0.99; towards 1 more innovations overlap, and their sum approaches a Gaussian.
    freedom : float
        Degrees of freedom of the innovations, above 2.
    """
    check_count("n_samples", n_samples, least=2)
    if not 0 <= damping <= 0.99:
        raise OptionError(f"damping={damping!r} must be from 0 to 0.99: nearer to 1 the sources are Gaussian.")
    if not 2 < freedom < np.inf:
        raise OptionError(f"freedom={freedom!r} must be above 2: below, a Student density has no variance.")
    _check_frequencies(frequencies)
    rng = np.random.default_rng(seed)
    burn_in = 1 + int(_memory(damping))
    innovations = rng.standard_t(freedom, (burn_in + n_samples, len(frequencies)))
    filters = [[1.0, -2 * damping * np.cos(2 * np.pi * f), damping**2] for f in frequencies]
    columns = [lfilter([1.0], filter_, e) for filter_, e in zip(filters, innovations.T, strict=True)]
    return standardise(np.column_stack(columns)[burn_in:])


def multimodal_sources(
    n_samples: int = 1000,
    length_scales: Numbers = (40.0, 12.0, 4.0),
    n_modes: Sequence[int] = (2, 3, 2),
    seed: Seed = 0,
) -> np.ndarray:
    """Smooth transitions between levels: Matern 3/2 processes through a quantile function, standardised.

    ``s_t = F^-1(Phi(g_t))``, ``F`` Gaussians of deviation 0.4 at 0, 2, 4, .. with weights as 3 : 2 : 3 : ...

    Parameters
    ----------
    n_samples, length_scales, seed : as in ``gp_sources``
    n_modes : sequence of int
        Modes of each source, at least 2.
    """
    if len(n_modes) != len(length_scales) or not all(isinstance(k, int | np.integer) and k >= 2 for k in n_modes):
        raise OptionError(f"n_modes={n_modes!r} must be one whole number of at least 2 for each length-scale.")
    probabilities = ndtr(gp_sources(n_samples, length_scales, "matern32", seed))
    return standardise(np.column_stack([_levels(p, k) for p, k in zip(probabilities.T, n_modes, strict=True)]))


def standardise(S: np.ndarray) -> np.ndarray:
    """Every column with mean 0 and variance 1."""
    return (S - S.mean(axis=0)) / S.std(axis=0)


def _check_frequencies(frequencies: Numbers, allow_zero: bool = True) -> None:
    if not len(frequencies) or not all((f >= 0 if allow_zero else f > 0) and f <= 0.5 for f in frequencies):
        limits = "from 0 to 0.5" if allow_zero else "above 0 and at most 0.5"
        raise OptionError(f"frequencies={frequencies!r} must be in cycles per sample, {limits}.")


def _levels(probability: np.ndarray, n_modes: int) -> np.ndarray:
    """Quantiles of Gaussians (deviation 0.4) at 0, 2, 4, .. with weights proportional to 3, 2, 3, 2, ..."""
    centre, deviation = 2.0 * np.arange(n_modes), 0.4
    weight = np.where(np.arange(n_modes) % 2 == 0, 3.0, 2.0)
    grid = np.linspace(-6 * deviation, centre[-1] + 6 * deviation, 4001)
    distribution = ndtr((grid[:, None] - centre) / deviation) @ (weight / weight.sum())
    return np.interp(probability, distribution, grid)


_KERNELS = {
    "rbf": lambda r: np.exp(-0.5 * r**2),
    "matern12": lambda r: np.exp(-r),
    "matern32": lambda r: (1 + np.sqrt(3) * r) * np.exp(-np.sqrt(3) * r),
    "matern52": lambda r: (1 + np.sqrt(5) * r + 5 / 3 * r**2) * np.exp(-np.sqrt(5) * r),
}


def _kernel_spectrum(kernel: str, length_scale: float, n_samples: int) -> np.ndarray:
    """Power spectrum of a kernel on its ring."""
    size = _ring_size(n_samples + 20 * length_scale)
    lag = np.arange(size)
    covariance = _KERNELS[kernel](np.minimum(lag, size - lag) / length_scale)
    return np.maximum(np.fft.rfft(covariance).real, 0.0)  # rounding makes vanishing power negative


def _resonance_spectrum(frequency: float, damping: float, n_samples: int) -> np.ndarray:
    """Power spectrum of the recursion in ``ar_sources`` driven by white noise of variance 1."""
    delay = np.exp(-2j * np.pi * np.fft.rfftfreq(_ring_size(n_samples + _memory(damping))))
    return np.abs(1 - 2 * damping * np.cos(2 * np.pi * frequency) * delay + (damping * delay) ** 2) ** -2


def _memory(damping: float) -> float:
    """Samples after which a resonance has decayed to 1e-12."""
    return float(np.log(1e-12) / np.log(max(damping, 1e-3)))


def _ring_size(samples: float) -> int:
    """Smallest power of two that holds twice ``samples``."""
    return 1 << int(np.ceil(np.log2(2 * samples)))


def _draw(spectra: Sequence[np.ndarray], n_samples: int, seed: Seed) -> np.ndarray:
    """One standardised column per spectrum ``(size // 2 + 1,)``: the first samples of a ring of coloured noise."""
    rng = np.random.default_rng(seed)
    columns = []
    for spectrum in spectra:
        size = 2 * (len(spectrum) - 1)
        white = np.fft.rfft(rng.standard_normal(size))
        columns.append(np.fft.irfft(np.sqrt(spectrum) * white, n=size)[:n_samples])
    return standardise(np.column_stack(columns))
