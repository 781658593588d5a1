"""How many sources a recording holds: how many combinations of its channels remember their past.

A source has temporal structure, white noise has none. Of m channels that mix n sources, m - n combinations hold noise
alone and cannot be predicted from the past, however loud the noise of each channel is. So n is the number of canonical
correlations between the present and the past (Akaike 1976) that are not zero, counted by Bartlett's test (1947) with
Lawley's correction (1959). Tests on eigenvalues (Minka 2000; Wax & Kailath 1985) must know that the noise of all
channels is equal: one channel twice as noisy as another misleads them at any length of record.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import chi2

from stradiff.data.rank import correlation_spectrum
from stradiff.errors import InputError

LEVEL = 1e-3  # chance of counting a source too many
LAGS = 3  # samples of the past: lag 1 alone does not see a source that oscillates once in four samples
SAMPLES_PER_PREDICTOR = 4  # fewer, and a correlation near one is no evidence


def count_sources(values: np.ndarray) -> int:
    """Number of sources of checked observations ``(T, m)``, from 1 to m.

    A row with a missing value (NaN) is left out, and so are the rows that would be predicted from it: what is put into
    a gap can be predicted, and would count.

    It asks for noise that is white in time (of any loudness per channel) and for sources that are not; coloured noise
    counts as sources. With as many sources as channels it needs no noise-only direction and still counts.

    Raises
    ------
    InputError
        The record is too short to compare present and past, or nothing in it remembers its past.

    Examples
    --------
    >>> from stradiff import simulate
    >>> count_sources(simulate("linear", n_channels=8, noise=0.1, seed=100).recording.values)
    3
    """
    whole = ~np.isnan(values).any(axis=1)
    if not whole.any():
        raise InputError("No sample of all channels was seen whole; give n_components as a number.")
    signals = _independent_signals(values, whole)
    needed = SAMPLES_PER_PREDICTOR * signals.shape[1]
    lags_there = range(1, min(LAGS, len(values) - 1) + 1)
    n_lags = max((lags for lags in lags_there if len(_known(whole, lags)) + lags >= needed * lags), default=0)
    if n_lags == 0:
        raise InputError(
            f"{len(_known(whole, 1))} of {len(values)} samples can be compared with the one before them, too few to "
            f"count the sources of {values.shape[1]} channels; give n_components as a number, or at least {needed} "
            "samples without gaps."
        )
    count = _bartlett(*_canonical_correlations(signals, _known(whole, n_lags), n_lags), n_lags)
    if count == 0:
        raise InputError(
            "No combination of the channels can be predicted from its past, so there is nothing to count sources by; "
            "give n_components as a number."
        )
    return count


def _known(whole: np.ndarray, n_lags: int) -> np.ndarray:
    """Where a row ``(T,)`` and the ``n_lags`` before it are whole."""
    return n_lags + np.flatnonzero(np.lib.stride_tricks.sliding_window_view(whole, n_lags + 1).all(axis=1))


def _independent_signals(values: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Principal components ``(T, rank)``: repeated channels would be predicted perfectly."""
    spectrum = correlation_spectrum(values[whole])
    return ((values - spectrum.mean) / spectrum.scale) @ spectrum.eigenvectors[:, : spectrum.rank]


def _canonical_correlations(signals: np.ndarray, present: np.ndarray, n_lags: int) -> tuple[np.ndarray, int]:
    """Correlations ``(m,)``, descending, of ``present`` rows with ``n_lags`` predecessors, and the number of rows."""
    past = np.hstack([signals[present - lag] for lag in range(n_lags, 0, -1)])
    bases = [np.linalg.qr(block - block.mean(axis=0))[0] for block in (signals[present], past)]
    correlations = np.linalg.svd(bases[0].T @ bases[1], compute_uv=False)
    return np.minimum(correlations, 1.0 - np.finfo(float).eps), len(present)


def _bartlett(correlations: np.ndarray, n_samples: int, n_lags: int) -> int:
    """The smallest k for which the correlations from k on may all be zero.

    -(N - 1 - k - (p + q + 1) / 2 + sum_(i<k) r_i^-2) sum_(i>=k) log(1 - r_i^2) ~ chi^2 of (p - k)(q - k) degrees,
    p signals and q = p L past values.
    """
    n_signals, n_past = len(correlations), len(correlations) * n_lags
    for k in range(n_signals):
        found, rest = correlations[:k], correlations[k:]
        factor = n_samples - 1 - k - (n_signals + n_past + 1) / 2 + np.sum(found**-2.0)
        statistic = -factor * np.sum(np.log1p(-(rest**2)))
        if statistic < chi2.isf(LEVEL, (n_signals - k) * (n_past - k)):
            return k
    return n_signals
