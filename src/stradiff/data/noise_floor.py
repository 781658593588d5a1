"""Upper bound on the white noise of a recording, from its spectral matrix.

With sources of spectra p_k(f), a linear mixing and white noise of variance sigma^2 in every standardised channel, the
spectral matrix is A diag(p(f)) A' + sigma^2 I. Its smallest eigenvalue is at least sigma^2, and close to it where one
source has no power, so that its minimum over frequency bounds the noise from above.
"""

from __future__ import annotations

import numpy as np
from scipy.signal.windows import hann

from stradiff.data.rank import correlation_spectrum

MIN_FREQUENCIES = 32  # averaged in a spectral matrix,
MIN_FREQUENCIES_PER_CHANNEL = 4  # or this many per channel, if that is more
DEGREES_OF_FREEDOM = 4 / 3  # per frequency: two, less the correlation of neighbours under a Hann window


def noise_floor(values: np.ndarray) -> float:
    """Largest possible variance of white noise in the channels ``(T, m)``, in variances of a channel.

    0 where the record is too short. Corrected for the bias of a smallest eigenvalue (Marchenko & Pastur 1967), but not
    for that of the minimum over frequency.

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
    n_bands = max(1, len(amplitudes) // max(MIN_FREQUENCIES, MIN_FREQUENCIES_PER_CHANNEL * n_channels))
    return max(0.0, min(_smallest_eigenvalue(band) for band in np.array_split(amplitudes, n_bands)))


def _smallest_eigenvalue(band: np.ndarray) -> float:
    """Bias-corrected smallest eigenvalue of the mean co-spectrum of ``(frequencies, m)``."""
    ratio = band.shape[1] / max(DEGREES_OF_FREEDOM * len(band), 1.0)
    if ratio >= 1.0:
        return 0.0
    cospectrum = (band.T @ band.conj()).real / len(band)
    return float(np.linalg.eigvalsh(cospectrum)[0] / (1.0 - np.sqrt(ratio)) ** 2)
