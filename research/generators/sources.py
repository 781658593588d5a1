"""Sources as their papers define them, each drawn anew from the facts: ``(T, n)``, in the units of the paper.

Every function takes a random generator first, then ``n_samples`` and ``n_sources``; further arguments are the settings
of the paper. They are written from the papers and from the settings in the authors' public code; no code is theirs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Rng = np.random.Generator
N_CANDIDATES = 1000  # variances of a hidden Markov model are the best conditioned of so many


def segments(n_samples: int, n_segments: int) -> np.ndarray:
    """The number of the segment of every sample ``(T,)``: equally long, in the order of time."""
    return np.arange(n_samples) * n_segments // n_samples


def tcl(rng: Rng, n_samples: int, n_sources: int, n_segments: int = 20) -> np.ndarray:
    """Laplace noise whose standard deviation changes from segment to segment.

    Hyvärinen & Morioka (2016), "Unsupervised feature extraction by time-contrastive learning and nonlinear ICA",
    NeurIPS, section 6: Laplace density of variance 1 times a modulation, uniform on (0, 1) in the authors' code,
    independent for each source and segment. They have 20 sources and 8 to 512 segments of 512 samples; recordings of a
    thousand samples have shorter ones here.
    """
    modulation = rng.uniform(0, 1, (n_segments, n_sources))
    return rng.laplace(0, 2**-0.5, (n_samples, n_sources)) * modulation[segments(n_samples, n_segments)]


def ivae(
    rng: Rng, n_samples: int, n_sources: int, n_segments: int = 20, mean: float = 0.0, law: str = "gauss"
) -> np.ndarray:
    """Gaussian (or Laplace) noise whose standard deviation, and mean, change from segment to segment.

    Khemakhem, Kingma, Monti & Hyvärinen (2020), "Variational autoencoders and nonlinear ICA", AISTATS, section 5.1
    (simulations): 5 sources, 40 segments (20 to 40 in the tables) of 100 to 2,000 samples; the modulation is uniform
    on (0.5, 3) and multiplies the draw in the authors' code. Means, where there are any, are uniform on
    ``(-mean, mean)``, with 5 in that code. Their MCC is .74 to .83 with 4 layers and 2,000 samples a segment.
    """
    scale = rng.uniform(0.5, 3, (n_segments, n_sources))
    centre = mean * rng.uniform(-1, 1, (n_segments, n_sources))
    size = (n_samples, n_sources)
    draws = rng.standard_normal(size) if law == "gauss" else rng.laplace(0, 2**-0.5, size)
    which = segments(n_samples, n_segments)
    return draws * scale[which] + centre[which]


def autoregressive(innovations: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """``s_t = c s_{t-1} + e_t`` for ``innovations (T, n)``, from ``s_0 = e_0``."""
    S = innovations.copy()
    for t in range(1, len(S)):
        S[t] += coefficients * S[t - 1]
    return S


def pcl(rng: Rng, n_samples: int, n_sources: int, coefficient: float = 0.7) -> np.ndarray:
    """First-order autoregressive sources with one coefficient and Laplace innovations.

    Hyvärinen & Morioka (2017), "Nonlinear ICA of temporally dependent stationary sources", AISTATS, section 5.1:
    ``log p(s_t | s_{t-1}) = -|s_t - 0.7 s_{t-1}| + const`` with the same 0.7 for all 20 sources. The spectra of all
    sources are equal, so that second-order methods have nothing to separate them by.
    """
    burn_in = 100
    e = rng.laplace(0, 1, (burn_in + n_samples, n_sources))
    return autoregressive(e, np.full(n_sources, coefficient))[burn_in:]


def iia(
    rng: Rng,
    n_samples: int,
    n_sources: int,
    n_frequencies: int = 8,
    strength: float = 2.0,
    coefficients: tuple[float, float] = (0.3, 0.9),
) -> np.ndarray:
    """First-order autoregressive sources whose Gaussian innovations have a changing precision and mean.

    Morioka, Hälvä & Hyvärinen (2021), "Independent innovation analysis for nonlinear vector autoregressive process",
    AISTATS (arXiv 2020), section 5: ``x_t = f(x_{t-1}, e_t)``, with the innovations ``e`` Gaussian given time; in the
    authors' code ``e = -b / 2 + z / sqrt(2 exp(a))`` with ``a`` and ``b`` random Fourier series over the recording,
    each brought to the range (-2, 2). They look for the innovations, behind a random ``f`` of 20 channels, with 64
    frequencies in up to 2^18 samples. Here ``f(x, e) = g(D g^-1(x) + e)`` with a diagonal ``D``: one of their processes
    whose channels are a mixing ``g`` of autoregressive sources, which are the truth. The coefficients, uniform on
    ``coefficients``, are ours, and so is the number of frequencies.
    """
    a, b = (modulation(rng, n_samples, n_sources, n_frequencies, strength) for _ in range(2))
    e = -b / 2 + rng.standard_normal((n_samples, n_sources)) / np.sqrt(2 * np.exp(a))
    return autoregressive(e, rng.uniform(*coefficients, n_sources))


def modulation(rng: Rng, n_samples: int, n_sources: int, n_frequencies: int, strength: float) -> np.ndarray:
    """Random Fourier series of 1 to ``n_frequencies`` cycles per recording, from ``-strength`` to ``strength``."""
    phase = 2 * np.pi * np.outer(np.arange(n_samples) / n_samples, np.arange(1, n_frequencies + 1))
    series = np.hstack([np.sin(phase), np.cos(phase)]) @ rng.uniform(-1, 1, (2 * n_frequencies, n_sources))
    low, high = series.min(axis=0), series.max(axis=0)
    return strength * (2 * (series - low) / (high - low) - 1)


def markov_chain(rng: Rng, n_samples: int, transition: np.ndarray) -> np.ndarray:
    """States ``(T,)`` of a chain with a doubly stochastic transition matrix, from its uniform distribution."""
    upto = transition.cumsum(axis=1)
    upto[:, -1] = 1.0  # rounding must not leave a gap
    state = np.empty(n_samples, dtype=int)
    state[0] = rng.integers(len(transition))
    for t, u in enumerate(rng.uniform(size=n_samples - 1), start=1):
        state[t] = np.searchsorted(upto[state[t - 1]], u, side="right")
    return state


def cycle(n_states: int, stay: float) -> np.ndarray:
    """A transition matrix that stays with probability ``stay`` and goes to the next state otherwise."""
    return stay * np.eye(n_states) + (1 - stay) * np.roll(np.eye(n_states), 1, axis=1)


def hm_nlica(rng: Rng, n_samples: int, n_sources: int, stay: float = 0.99, radius: float = 2.0) -> np.ndarray:
    """White Gaussian noise with the mean and variance of a hidden state.

    Hälvä & Hyvärinen (2020), "Hidden Markov nonlinear ICA: unsupervised learning from nonstationary time series", UAI,
    section 5.1: 5 sources and ``2 n + 1`` states, each kept with probability 0.99 and else followed by the next one
    of a cycle, in 100,000 samples. From the authors' code: the means lie on a sphere of radius 2, and of a thousand
    candidates the variances are those whose natural parameters have the best condition.
    """
    n_states = 2 * n_sources + 1
    means = on_sphere(n_states, n_sources, radius)
    variances = well_conditioned(rng, means)
    state = markov_chain(rng, n_samples, cycle(n_states, stay))
    return means[state] + np.sqrt(variances[state]) * rng.standard_normal((n_samples, n_sources))


def on_sphere(n_points: int, n_dimensions: int, radius: float) -> np.ndarray:
    """Points on a curve ``(n_points, n_dimensions)``: spherical angles in equal steps, the last one twice as fast."""
    half = np.pi * np.arange(n_points) / n_points
    angles = np.column_stack([half] * (n_dimensions - 2) + [2 * half])
    ahead = np.column_stack([np.ones(n_points), np.sin(angles).cumprod(axis=1)])
    return radius * ahead * np.column_stack([np.cos(angles), np.ones(n_points)])


def well_conditioned(rng: Rng, means: np.ndarray) -> np.ndarray:
    """Variances ``(states, n)``, small beside the distances of the means."""
    n_states, n = means.shape
    distances = np.linalg.norm(means[:, None] - means, axis=2)
    widest = distances[distances > 1e-12].min() / 1.65
    candidates = rng.uniform(0.01, widest, (N_CANDIDATES, n_states, n)) ** (1 / n) / n_states
    natural = np.concatenate([means / candidates, -1 / candidates], axis=2)
    condition = np.linalg.norm(natural, axis=(1, 2)) * np.linalg.norm(np.linalg.pinv(natural), axis=(1, 2))
    return candidates[condition.argmin()]


def snica(rng: Rng, n_samples: int, n_sources: int, stay: float = 0.99) -> np.ndarray:
    """Each source switches between an oscillation and a return to a level, both autoregressive of second order.

    Hälvä, Le Corff, Lehéricy, So, Zhu, Gassiat & Hyvärinen (2021), "Disentangling identifiable features from noisy
    data with structured nonlinear ICA", NeurIPS, section 5: 3 sources in 12 channels with 15 % noise, 100,000 samples.
    From the authors' code: ``s_t = (1 + a - b) s_{t-1} - a s_{t-2} + b l + e``. The oscillation has ``a`` on
    (0.6, 0.8), ``b`` = 0.1, a level on (-1, 1) and innovations of variance on (0.01, 0.04); the return has ``a`` = 0.1,
    ``b`` on (0.7, 0.9), a level on (-3, 3) and a variance of 0.04. A state is kept with probability 0.99. Their delayed
    sample carries noise of deviation 0.001, which is left out.
    """
    return np.column_stack([_switching(rng, n_samples, stay) for _ in range(n_sources)])


def _switching(rng: Rng, n_samples: int, stay: float) -> np.ndarray:
    momentum = np.array([rng.uniform(0.6, 0.8), 0.1])
    reversion = np.array([0.1, rng.uniform(0.7, 0.9)])
    level = np.array([rng.uniform(-1, 1), rng.uniform(-3, 3)])
    deviation = np.sqrt([rng.uniform(0.01, 0.04), 0.04])
    state = markov_chain(rng, n_samples, cycle(2, stay))
    e = deviation[state] * rng.standard_normal(n_samples)
    s = np.empty(n_samples)
    s[0] = 0.1**0.5 * rng.standard_normal()
    before = 0.1**0.5 * rng.standard_normal()
    for t in range(1, n_samples):
        a, b, c = momentum[state[t]], reversion[state[t]], level[state[t]]
        s[t] = (1 + a - b) * s[t - 1] - a * (s[t - 2] if t > 1 else before) + b * c + e[t]
    return s


def leap(rng: Rng, n_samples: int, n_sources: int, scales: tuple[float, ...] = (0.05, 0.1, 0.15)) -> np.ndarray:
    """Latent variables that drive one another with two delays, with Laplace innovations of three scales.

    Yao, Sun, Ho, Sun & Zhang (2022), "Learning temporally causal latent processes from general temporal data", ICLR,
    section 5.1 (nonparametric, nonstationary): 8 variables and 2 lags. From the authors' code:
    ``s_t = h(sum_l tanh(B_l s_{t-l}) + e)``, ``h`` a leaky ReLU of slope 0.2, entries of ``B`` uniform on (-1, 1) with
    normalised columns, Laplace scales of 0.05, 0.1 and 0.15 by regime. They have 50,000 pieces of six samples in each
    regime; here one recording passes through the regimes. The variables are dependent at equal times, so that this is
    no ICA problem: it shows what a method does where its assumption fails.
    """
    burn_in = 100
    B = rng.uniform(-1, 1, (2, n_sources, n_sources))
    B /= np.linalg.norm(B, axis=1, keepdims=True)
    regime = np.concatenate([np.zeros(burn_in, dtype=int), segments(n_samples, len(scales))])
    S = rng.laplace(0, 1, (burn_in + n_samples, n_sources)) * np.array(scales)[regime, None]
    S[:2] = rng.standard_normal((2, n_sources))
    for t in range(2, len(S)):
        S[t] += np.tanh(S[t - 1] @ B[0]) + np.tanh(S[t - 2] @ B[1])
        S[t] = np.where(S[t] > 0, S[t], 0.2 * S[t])
    return S[burn_in:]


def tp_nica(
    rng: Rng, n_samples: int, n_sources: int, n_recordings: int = 1, freedom: tuple[float, float] | None = (2.0, 4.0)
) -> np.ndarray:
    """Several recordings of smooth Gaussian or Student-t processes, one after the other.

    Hälvä, So, Turner & Hyvärinen (2024), "Identifiable feature learning for spatial data with nonlinear ICA", AISTATS:
    each source a Student-t process with a squared-exponential kernel, degrees of freedom on (2, 4), that is a Gaussian
    process over the square root of a gamma variable of mean 1, drawn anew for every source and recording. From the
    authors' code: length-scales on (25, 100) samples and deviations on (0.1, 1). ``freedom`` of None leaves Gaussian
    processes. Number and length of the recordings are ours.
    """
    scales = rng.uniform(25, 100, n_sources)
    deviations = rng.uniform(0.1, 1, n_sources)
    nu = np.full(n_sources, np.inf) if freedom is None else rng.uniform(*freedom, n_sources)
    length = n_samples // n_recordings
    return np.vstack([deviations * _t_process(rng, length, scales, nu) for _ in range(n_recordings)])


def _t_process(rng: Rng, n_samples: int, scales: np.ndarray, nu: np.ndarray) -> np.ndarray:
    lag = np.subtract.outer(np.arange(n_samples), np.arange(n_samples))
    columns = []
    for scale, freedom in zip(scales, nu, strict=True):
        factor = np.linalg.cholesky(np.exp(-0.5 * (lag / scale) ** 2) + 1e-5 * np.eye(n_samples))
        r = 1.0 if np.isinf(freedom) else rng.gamma(freedom / 2, 2 / freedom)
        columns.append(factor @ rng.standard_normal(n_samples) / r**0.5)
    return np.column_stack(columns)


LAWS: dict[str, Callable[..., np.ndarray]] = {
    "tcl": tcl,
    "ivae": ivae,
    "pcl": pcl,
    "iia": iia,
    "hm_nlica": hm_nlica,
    "snica": snica,
    "leap": leap,
    "tp_nica": tp_nica,
}
