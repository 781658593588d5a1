"""Number of sources, as the number of channel combinations that can be predicted from their past.

Sources have temporal structure, white noise has none. Of m channels that mix n sources, m - n combinations contain only
noise and cannot be predicted, whatever its variance in each channel. So n is the number of nonzero canonical
correlations between present and past (Akaike 1976), counted by Bartlett's test (1947) with Lawley's correction (1959).
Tests on eigenvalues (Minka 2000; Wax & Kailath 1985) assume equal noise in all channels, and fail without it.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import chi2

from stradiff.data.rank import correlation_spectrum
from stradiff.errors import InputError

SIGNIFICANCE = 1e-3  # probability of counting one source too many
MAX_LAGS = 3  # samples of the past; a source of period four samples has no correlation at lag 1
SAMPLES_PER_PREDICTOR = 4  # with fewer, correlations near one arise by chance


def count_sources(values: np.ndarray) -> int:
    """Number of sources of checked observations ``(T, m)``, from 1 to m.

    Noise must be white in time, with any variance per channel, and sources must not be; coloured noise is counted as
    sources. Rows with a missing value (NaN) are left out, and so are the rows predicted from them: interpolated values
    are predictable and would be counted.

    Raises
    ------
    InputError
        The record is too short to compare present and past, or nothing in it can be predicted.

    Examples
    --------
    >>> from stradiff import simulate
    >>> count_sources(simulate("linear", n_channels=8, noise=0.1, seed=100).recording.values)
    3
    """
    complete = ~np.isnan(values).any(axis=1)
    if not complete.any():
        raise InputError("No sample has values in all channels; give n_components as a number.")
    signals = _principal_components(values, complete)
    min_samples = SAMPLES_PER_PREDICTOR * signals.shape[1]
    lags = range(1, min(MAX_LAGS, len(values) - 1) + 1)
    n_lags = max((lag for lag in lags if len(_rows_with_past(complete, lag)) + lag >= min_samples * lag), default=0)
    if n_lags == 0:
        raise InputError(
            f"{len(_rows_with_past(complete, 1))} of {len(values)} samples can be compared with the one before them, "
            f"too few to count the sources of {values.shape[1]} channels; give n_components as a number, or at least "
            f"{min_samples} samples without gaps."
        )
    count = _bartlett_count(*_canonical_correlations(signals, _rows_with_past(complete, n_lags), n_lags), n_lags)
    if count == 0:
        raise InputError(
            "No combination of the channels can be predicted from its past, so there is nothing to count sources by; "
            "give n_components as a number."
        )
    return count


def _rows_with_past(complete: np.ndarray, n_lags: int) -> np.ndarray:
    """Rows that are ``complete (T,)`` together with the ``n_lags`` before them."""
    return n_lags + np.flatnonzero(np.lib.stride_tricks.sliding_window_view(complete, n_lags + 1).all(axis=1))


def _principal_components(values: np.ndarray, complete: np.ndarray) -> np.ndarray:
    """All ``(T, rank)``; without them, repeated channels would be predicted perfectly."""
    spectrum = correlation_spectrum(values[complete])
    return ((values - spectrum.mean) / spectrum.scale) @ spectrum.eigenvectors[:, : spectrum.rank]


def _canonical_correlations(signals: np.ndarray, present: np.ndarray, n_lags: int) -> tuple[np.ndarray, int]:
    """Correlations ``(m,)``, descending, of ``present`` rows with ``n_lags`` predecessors, and the number of rows."""
    past = np.hstack([signals[present - lag] for lag in range(n_lags, 0, -1)])
    bases = [np.linalg.qr(block - block.mean(axis=0))[0] for block in (signals[present], past)]
    correlations = np.linalg.svd(bases[0].T @ bases[1], compute_uv=False)
    return np.minimum(correlations, 1.0 - np.finfo(float).eps), len(present)


def _bartlett_count(correlations: np.ndarray, n_samples: int, n_lags: int) -> int:
    """Smallest k for which Bartlett's test accepts that the correlations from k on are zero.

    -(N - 1 - k - (p + q + 1) / 2 + sum_(i<k) r_i^-2) sum_(i>=k) log(1 - r_i^2) ~ chi^2 of (p - k)(q - k) degrees,
    p signals and q = p L past values.
    """
    n_signals, n_past = len(correlations), len(correlations) * n_lags
    for k in range(n_signals):
        nonzero, tested = correlations[:k], correlations[k:]
        factor = n_samples - 1 - k - (n_signals + n_past + 1) / 2 + np.sum(nonzero**-2.0)
        statistic = -factor * np.sum(np.log1p(-(tested**2)))
        if statistic < chi2.isf(SIGNIFICANCE, (n_signals - k) * (n_past - k)):
            return k
    return n_signals
