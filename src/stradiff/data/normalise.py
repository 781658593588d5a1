"""Centring, standardising and whitening of observations, with exact inverses: ``Y~`` of Section 2.4 of the paper."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from stradiff.data.checks import as_float_array, check_observations
from stradiff.data.missing import interpolated, observed_mask
from stradiff.data.rank import CorrelationSpectrum, check_n_components, correlation_spectrum
from stradiff.errors import InputError, OptionError

MODES = ("centre", "standardise", "whiten")


@dataclass(frozen=True, eq=False)
class Normaliser:
    """``Y~ = (Y - mean) @ matrix`` and back: ``Y = Y~ @ inverse_matrix + mean``.

    A linear mixing ``A (m', n)`` of normalised channels is ``inverse_matrix.T @ A`` in the recording's units.
    """

    mean: np.ndarray
    """(m,) float64"""
    matrix: np.ndarray
    """(m, m') float64"""
    inverse_matrix: np.ndarray
    """(m', m) float64"""

    def forward(self, Y: Any) -> np.ndarray:
        """Normalised observations ``(..., m')`` of ``Y (..., m)``, computed in float64, in the dtype of ``Y``.

        A row with a missing value becomes NaN. :class:`InputError` for another number of channels.
        """
        Y = _with_columns(Y, len(self.mean), "channels")
        return ((Y - self.mean) @ self.matrix).astype(Y.dtype)

    def forward_mask(self, mask: np.ndarray) -> np.ndarray:
        """Mask of the normalised channels for a mask ``(T, m)`` of the observed channels.

        A residual ``e`` of normalised channels is ``e @ inverse_matrix`` in the recording. With white noise in ``e``,
        marginalising the missing channels leaves the squared norm of ``e`` projected onto the span of the observed
        columns of ``inverse_matrix``.

        Returns
        -------
        ndarray
            ``(T, m')``, 1 or 0, if every normalised channel is observed or missing; else projections ``(T, m', m')``.
        """
        columns = self.inverse_matrix / np.linalg.norm(self.inverse_matrix, axis=0)
        if np.count_nonzero(columns) == len(columns) == columns.shape[1]:  # diagonal
            return mask.astype(np.float64)
        if (mask == mask[:, :1]).all():
            return np.repeat(mask[:, :1].astype(np.float64), len(columns), axis=1)
        patterns, indices = np.unique(mask, axis=0, return_inverse=True)
        projections = [columns[:, observed] @ np.linalg.pinv(columns[:, observed]) for observed in patterns]
        return np.stack(projections)[indices.ravel()]

    def inverse(self, Y_normalised: Any) -> np.ndarray:
        """Observations ``(..., m)`` in the recording's units, in the dtype of ``Y_normalised (..., m')``."""
        Y_normalised = _with_columns(Y_normalised, len(self.inverse_matrix), "normalised channels")
        return (Y_normalised @ self.inverse_matrix + self.mean).astype(Y_normalised.dtype)


def fit_normaliser(Y: Any, mode: str = "centre", n_components: int | None = None, *, floor: float = 0.0) -> Normaliser:
    """The normaliser of a recording.

    Parameters
    ----------
    Y : array-like, shape (T, m)
        NaN marks missing values, which are ignored.
    mode : {"centre", "standardise", "whiten"}
        ``"centre"``: mean 0. ``"standardise"``: also variance 1 (divided by ``T``). ``"whiten"``: also uncorrelated,
        the principal components of the standardised channels, largest first, each scaled to variance 1. The
        correlations, which only determine the axes, are those of the recording with gaps interpolated: unlike
        pairwise correlations of the observed values they are positive semidefinite.
    n_components : int, optional
        Number of whitened signals; ``m`` by default. With fewer, ``inverse(forward(Y))`` is the best approximation of
        ``Y`` by that many signals.
    floor : float
        Lower bound, in variances of a channel, on the variance by which whitened signals are divided: weaker signals
        keep a variance below 1, which limits the amplification of noise.

    Raises
    ------
    InputError
        ``Y`` is not a valid recording, or its rank is below the number of whitened signals.
    OptionError
        Unknown ``mode``; ``n_components`` outside 1 to ``m``, or without whitening.

    Examples
    --------
    >>> Y = np.random.default_rng(0).standard_normal((100, 3)) * [1.0, 10.0, 100.0]
    >>> normaliser = fit_normaliser(Y, "whiten")
    >>> np.allclose(np.cov(normaliser.forward(Y), rowvar=False, ddof=0), np.eye(3))
    True
    >>> np.allclose(normaliser.inverse(normaliser.forward(Y)), Y)
    True
    """
    Y = check_observations(Y, missing="mask")
    n_channels = Y.shape[1]
    if mode not in MODES:
        raise OptionError(f"mode={mode!r} does not exist; choose one of {', '.join(MODES)}.")
    if n_components is not None and mode != "whiten":
        raise OptionError(f"n_components={n_components!r} needs mode='whiten'; {mode!r} keeps every channel.")
    mean = np.asarray(np.nanmean(Y, axis=0, dtype=np.float64))
    scale = np.asarray(np.sqrt(np.nanmean((Y - mean) ** 2, axis=0)))
    if mode == "centre":
        identity = np.eye(n_channels)
        return Normaliser(mean, identity, identity)
    if mode == "whiten":
        spectrum = correlation_spectrum(interpolated(Y, observed_mask(Y)))
        spectrum = dataclasses.replace(spectrum, mean=mean, scale=scale)
        return _whitener(spectrum, check_n_components(n_components, n_channels), floor)
    return Normaliser(mean, np.diag(1 / scale), np.diag(scale))


def _whitener(spectrum: CorrelationSpectrum, keep: int, floor: float) -> Normaliser:
    """``D^-1 V L^-1/2`` and its inverse ``L^1/2 V' D`` from standard deviations D and correlations V L V'."""
    if spectrum.rank < keep:
        raise InputError(
            f"The {len(spectrum.scale)} channels carry only {spectrum.rank} independent signals and cannot "
            f"be whitened to {keep}; leave out repeated channels, or standardise them instead."
        )
    vectors = spectrum.eigenvectors[:, :keep]
    # The largest weight of an eigenvector is made positive, so that its sign does not depend on the machine.
    vectors = vectors * np.sign(vectors[np.argmax(np.abs(vectors), axis=0), np.arange(keep)])
    deviations = np.sqrt(np.maximum(spectrum.eigenvalues[:keep], floor))
    matrix = vectors / deviations / spectrum.scale[:, None]
    inverse_matrix = (vectors * deviations).T * spectrum.scale
    return Normaliser(spectrum.mean, matrix, inverse_matrix)


def _with_columns(values: Any, n_columns: int, axis: str) -> np.ndarray:
    array = as_float_array(values)
    if array.ndim == 0 or array.shape[-1] != n_columns:
        raise InputError(f"Shape {array.shape} does not fit: the last axis must hold {n_columns} {axis}.")
    return array
