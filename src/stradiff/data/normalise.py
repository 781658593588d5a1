"""Centre, standardise or whiten observations, with exact inverses: ``Y~`` of the paper's Section 2.4."""

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
        """Normalised observations ``(..., m')`` of ``Y (..., m)``, in the dtype of ``Y``.

        Computed in float64, so an offset does not cost digits of a float32 signal. :class:`InputError` when
        the number of channels is another one. A row with a missing value becomes NaN: fill it first.
        """
        Y = _with_columns(Y, len(self.mean), "channels")
        return ((Y - self.mean) @ self.matrix).astype(Y.dtype)

    def forward_mask(self, mask: np.ndarray) -> np.ndarray:
        """What the seen channels ``(T, m)`` of a row say of its normalised channels.

        A residual ``e`` of normalised channels stands for ``e @ inverse_matrix`` in the recording. White noise of
        ``e``, marginalised over the channels that were not seen, leaves the squared length of ``e`` projected onto the
        span of the seen columns of ``inverse_matrix``.

        Returns
        -------
        ndarray
            ``(T, m')``, 1 or 0, where every normalised channel is seen or not; else the projections ``(T, m', m')``.
        """
        columns = self.inverse_matrix / np.linalg.norm(self.inverse_matrix, axis=0)
        diagonal = np.count_nonzero(columns) == len(columns) == columns.shape[1]
        if diagonal:
            return mask.astype(np.float64)
        if (mask == mask[:, :1]).all():
            return np.repeat(mask[:, :1].astype(np.float64), len(columns), axis=1)
        patterns, which = np.unique(mask, axis=0, return_inverse=True)
        projections = [columns[:, there] @ np.linalg.pinv(columns[:, there]) for there in patterns]
        return np.stack(projections)[which.ravel()]

    def inverse(self, Y_normalised: Any) -> np.ndarray:
        """Observations ``(..., m)`` in the recording's units, in the dtype of ``Y_normalised (..., m')``."""
        Y_normalised = _with_columns(Y_normalised, len(self.inverse_matrix), "normalised channels")
        return (Y_normalised @ self.inverse_matrix + self.mean).astype(Y_normalised.dtype)


def fit_normaliser(Y: Any, mode: str = "centre", n_components: int | None = None, *, floor: float = 0.0) -> Normaliser:
    """The normaliser of a recording.

    Parameters
    ----------
    Y : array-like, shape (T, m)
        NaN stands for what was not seen and does not count.
    mode : {"centre", "standardise", "whiten"}
        ``"centre"``: mean 0. ``"standardise"``: also variance 1 (divided by ``T``). ``"whiten"``: also
        uncorrelated: the principal components of the standardised channels, largest first, each to
        variance 1. Standardising first makes the whitened signals independent of the units of the channels.
        Gaps are bridged by straight lines for the correlations: they only choose the axes, and those of a filled
        recording are positive definite, which correlations pair by pair of what was seen need not be.
    n_components : int, optional
        Whitened signals to keep; all ``m`` by default. With fewer, ``inverse(forward(Y))`` is not ``Y`` but
        its best approximation by that many signals.
    floor : float
        Whitened signals of a smaller variance than this, in variances of a channel, are only divided by its root and
        keep a variance below 1: so noise in them is not amplified beyond that.

    Raises
    ------
    InputError
        ``Y`` is not a recording, or whitening meets fewer independent signals than it must return.
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
    # An eigenvector has no sign of its own: its largest weight is made positive, so every machine agrees.
    vectors = vectors * np.sign(vectors[np.argmax(np.abs(vectors), axis=0), np.arange(keep)])
    deviations = np.sqrt(np.maximum(spectrum.eigenvalues[:keep], floor))
    matrix = vectors / deviations / spectrum.scale[:, None]
    inverse_matrix = (vectors * deviations).T * spectrum.scale
    return Normaliser(spectrum.mean, matrix, inverse_matrix)


def _with_columns(values: Any, n_columns: int, what: str) -> np.ndarray:
    array = as_float_array(values)
    if array.ndim == 0 or array.shape[-1] != n_columns:
        raise InputError(f"Shape {array.shape} does not fit: the last axis must hold {n_columns} {what}.")
    return array
