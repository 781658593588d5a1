"""Numerical rank of the channels: an upper bound on the number of sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stradiff.data.checks import check_channel_names
from stradiff.errors import InputError, OptionError, shortened


@dataclass(frozen=True, eq=False)
class CorrelationSpectrum:
    """Eigendecomposition of the correlation matrix of the channels, independent of units and offsets."""

    mean: np.ndarray
    """(m,)"""
    scale: np.ndarray
    """(m,) standard deviations"""
    correlation: np.ndarray
    """(m, m)"""
    eigenvalues: np.ndarray
    """(m,) descending, mean 1"""
    eigenvectors: np.ndarray
    """(m, m) one per column"""
    rounding: float
    """Bound on eigenvalues caused by rounding."""

    @property
    def rank(self) -> int:
        """Number of eigenvalues above ``rounding``."""
        return int(np.count_nonzero(self.eigenvalues > self.rounding))


def correlation_spectrum(values: np.ndarray) -> CorrelationSpectrum:
    """Correlation spectrum of checked observations ``(T, m)``, in float64.

    Rounding has two causes: the last digit of the values relative to their standard deviation, and the sums of ``T``
    products in the correlations.
    """
    n_samples, n_channels = values.shape
    mean = values.mean(axis=0, dtype=np.float64)
    standardised = values - mean
    scale = np.sqrt(np.mean(standardised**2, axis=0))
    standardised /= scale
    correlation = standardised.T @ standardised / n_samples
    eigenvalues, eigenvectors = np.linalg.eigh(correlation)
    last_digit = np.finfo(values.dtype).eps * np.max(np.abs(values).max(axis=0) / scale)
    sums = 8 * np.finfo(np.float64).eps * n_channels * np.sqrt(n_samples)
    return CorrelationSpectrum(
        mean, scale, correlation, eigenvalues[::-1], eigenvectors[:, ::-1], float(last_digit**2 + sums)
    )


def check_rank(
    values: np.ndarray,
    n_components: Any = None,
    *,
    channel_names: Sequence[str] | None = None,
    allow_auto: bool = False,
) -> int:
    """Numerical rank of the channels; an error when it is below the requested number of sources.

    Parameters
    ----------
    values : ndarray, shape (T, m)
        As :func:`check_observations` returns them.
    n_components : int, optional
        Requested number of sources; ``m`` by default.
    channel_names : sequence of str, optional
    allow_auto : bool
        Whether ``n_components`` may be ``"auto"``, for which a rank of 1 suffices.

    Returns
    -------
    int
        The rank, at least ``n_components``.

    Raises
    ------
    InputError
        Fewer than two channels, or a rank below ``n_components``; the message names two proportional channels, if
        there are any.
    OptionError
        ``n_components`` is not a whole number from 1 to ``m``.

    Examples
    --------
    >>> check_rank(np.random.default_rng(0).standard_normal((100, 3)), 2)
    3
    """
    n_channels = values.shape[1]
    names = check_channel_names(channel_names, n_channels)
    if n_channels < 2:  # scikit-learn's checks look for "n_features = 1"
        raise InputError(f"Separation needs at least two channels, but here n_features = {n_channels}.")
    n_sources = check_n_components(n_components, n_channels, allow_auto=allow_auto)
    spectrum = correlation_spectrum(values)
    if spectrum.rank < n_sources:
        cause = _cause(values, spectrum, names)
        raise InputError(
            f"The {n_channels} channels carry only {spectrum.rank} independent signals, too few for "
            f"{n_sources} sources: {cause}, or use n_components={spectrum.rank}."
        )
    return spectrum.rank


def check_n_components(n_components: Any, n_channels: int, *, allow_auto: bool = False) -> int:
    """A whole number from 1 to ``m``, or ``m`` for None and 1 for "auto"; :class:`OptionError` otherwise."""
    if n_components is None:
        return n_channels
    if allow_auto and isinstance(n_components, str) and n_components == "auto":
        return 1
    is_integer = isinstance(n_components, int | np.integer) and not isinstance(n_components, bool)
    if is_integer and 1 <= n_components <= n_channels:
        return int(n_components)
    least = "from 1" if is_integer else "a whole number from 1"
    alternative = ", or 'auto'" if allow_auto and not is_integer else ""
    raise OptionError(
        f"n_components={shortened(n_components)} must be {least} to the number of channels, {n_channels}{alternative}."
    )


def _cause(values: np.ndarray, spectrum: CorrelationSpectrum, names: Sequence[str]) -> str:
    """Cause of a low rank, and its remedy."""
    if len(values) <= len(names):  # checked first: over two samples, any two channels are proportional
        return f"{len(values)} samples are too few, so give more samples than channels"
    pairs = np.argwhere(np.triu(np.abs(spectrum.correlation) >= 1 - spectrum.rounding, k=1))
    if len(pairs):
        i, j = pairs[0]
        identical = np.array_equal(values[:, i], values[:, j])
        relation = "are identical" if identical else "are the same signal up to scale and offset"
        return f"channels {shortened(names[i])} and {shortened(names[j])} {relation}, so leave one of them out"
    return "some channels are weighted sums of others, so leave those out"
