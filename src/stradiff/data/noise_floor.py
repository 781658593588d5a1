"""How much white noise every channel of a recording may hold, from what its spectra leave room for.

With sources of spectra p_k(f) behind a linear map and white noise of variance sigma^2 in every standardised channel,
the spectral matrix of the channels is A diag(p(f)) A' + sigma^2 I: its least eigenvalue is nowhere below sigma^2, and
comes near where one source has no power. The least of all frequencies bounds the noise from above.
"""

from __future__ import annotations

import numpy as np
from scipy.signal.windows import hann

from stradiff.data.rank import correlation_spectrum

FREQUENCIES = 32  # averaged in a spectral matrix, at least; ..
PER_CHANNEL = 4  # .. and this many for every channel
DEGREES = 4 / 3  # of freedom that each brings: two, less what a Hann window shares between neighbours


def noise_floor(values: np.ndarray) -> float:
    """Greatest variance of white noise, in variances of a channel, that the channels ``(T, m)`` leave room for.

    0 where the record is too short to say. Free of the bias of a least eigenvalue (Marchenko & Pastur 1967), but not of
    taking the least of several.

    Examples
    --------
    >>> from stradiff import simulate
    >>> noisy = simulate("linear", n_channels=3, noise=0.1, seed=100).recording.values
    >>> round(noise_floor(noisy), 3)
    0.009
    """
    spectrum = correlation_spectrum(values)
    n_channels = values.shape[1]
    window = hann(len(values), sym=False)[:, None]
    amplitudes = np.fft.rfft((values - spectrum.mean) / spectrum.scale * window, axis=0)[1:]
    amplitudes /= np.linalg.norm(window)
    n_bands = max(1, len(amplitudes) // max(FREQUENCIES, PER_CHANNEL * n_channels))
    return max(0.0, min(_least_eigenvalue(band) for band in np.array_split(amplitudes, n_bands)))


def _least_eigenvalue(band: np.ndarray) -> float:
    """Of the mean co-spectrum of ``(frequencies, m)``, as it would be over many frequencies."""
    share = band.shape[1] / max(DEGREES * len(band), 1.0)
    if share >= 1.0:
        return 0.0
    cospectrum = (band.T @ band.conj()).real / len(band)
    return float(np.linalg.eigvalsh(cospectrum)[0] / (1.0 - np.sqrt(share)) ** 2)
