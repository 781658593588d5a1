"""Matching of estimated with true sources: blind separation leaves their order, sign and scale open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata

from stradiff.errors import InputError

LARGEST = 1e150  # beyond it squares overflow


@dataclass(frozen=True, eq=False)
class Matching:
    """For each of ``n`` true sources, in their order, the estimate that matches it.

    Attributes
    ----------
    order : ndarray of int (n,)
        Column of the estimate; -1 where there are fewer estimates than true sources.
    sign : ndarray (n,)
        +1 or -1; +1 where the correlation is 0.
    scale : ndarray (n,)
        Least-squares factor of the signed estimate, never negative; 0 where the correlation is 0.
    offset : ndarray (n,)
        Least-squares constant, in the units of the truth.
    correlation : ndarray (n,)
        Absolute correlation, from 0 to 1; 0 where the estimate is missing, constant or not finite.
    """

    order: np.ndarray
    sign: np.ndarray
    scale: np.ndarray
    offset: np.ndarray
    correlation: np.ndarray

    def apply(self, estimate: ArrayLike) -> np.ndarray:
        """The estimate ``(T, n_hat)`` in the order, sign and scale of the truth: ``(T, n)``.

        A true source without a usable estimate is replaced by its mean.
        """
        return self._columns(estimate) * (self.sign * self.scale) + self.offset

    def apply_sd(self, sd: ArrayLike) -> np.ndarray:
        """Standard deviations ``(T, n_hat)`` of the estimate, in order and scale of the truth: ``(T, n)``."""
        return self._columns(sd) * self.scale

    def _columns(self, values: ArrayLike) -> np.ndarray:
        values = _table(values, "estimate")
        if values.shape[1] <= self.order.max(initial=-1):
            raise InputError(f"estimate has {values.shape[1]} columns, too few for the order {self.order}.")
        # Columns of scale 0 may hold NaN, and NaN x 0 is NaN.
        return np.where(self.scale > 0, values[:, self.order], 0.0)


def match_sources(estimate: ArrayLike, truth: ArrayLike, *, rank: bool = False) -> Matching:
    """Match estimated with true sources by the largest sum of absolute correlations (Hungarian method).

    Parameters
    ----------
    estimate : array (T, n_hat)
        Constant columns and columns with NaN or infinity have correlation 0. There may be more or fewer
        columns than true sources; an unmatched true source has order -1 and correlation 0.
    truth : array (T, n)
    rank : bool
        Correlate ranks (Spearman) instead of values (Pearson), which is invariant to increasing functions of a
        source. Scale and offset are least squares on the values in both cases.

    Raises
    ------
    InputError
        If lengths differ, or the truth is not finite or has a constant column.

    Examples
    --------
    >>> truth = np.random.default_rng(0).standard_normal((100, 2))
    >>> match_sources(-3 * truth[:, ::-1], truth).order
    array([1, 0])
    """
    estimate, truth = checked_pair(estimate, truth)
    usable = (np.abs(estimate) < LARGEST).all(axis=0)  # False for NaN
    estimate = np.where(usable, estimate, 0.0)
    estimate = np.where(_varies(estimate), estimate, 0.0)  # ranks of rounding errors would look like a signal
    ranks = (lambda X: rankdata(X, axis=0)) if rank else (lambda X: X)
    correlations = _unit(ranks(truth)).T @ _unit(ranks(estimate))
    rows, columns = linear_sum_assignment(np.abs(correlations), maximize=True)

    order = np.full(truth.shape[1], -1)
    order[rows] = columns
    correlation = np.where(order >= 0, correlations[np.arange(len(order)), order], 0.0)
    sign = np.where(correlation < 0, -1.0, 1.0)
    matched = np.where(correlation != 0, estimate[:, order], 0.0)
    scale = np.maximum(sign * _slope(matched, truth), 0.0)
    offset = truth.mean(axis=0) - sign * scale * matched.mean(axis=0)
    return Matching(order, sign, scale, offset, np.minimum(np.abs(correlation), 1.0))


def checked_pair(
    estimate: ArrayLike, truth: ArrayLike, names: tuple[str, str] = ("estimate", "truth")
) -> tuple[np.ndarray, np.ndarray]:
    """Both as float arrays of one length, the truth finite and not constant; ``names`` are for error messages."""
    estimate, truth = _table(estimate, names[0]), _table(truth, names[1])
    if len(estimate) != len(truth):
        raise InputError(
            f"{names[0]} has {len(estimate)} samples, {names[1]} {len(truth)}; give the same samples of both."
        )
    if not (np.abs(truth) < LARGEST).all():
        raise InputError(f"{names[1]} holds NaN, infinity or huge values; leave those samples out of both.")
    if not _varies(truth).all():
        raise InputError(f"{names[1]} has a constant column, which has no variance to explain; leave it out of both.")
    return estimate, truth


def _table(values: ArrayLike, name: str) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    if values.ndim != 2 or 0 in values.shape:
        raise InputError(f"{name} has shape {values.shape}; it must be (samples, columns), neither of them 0.")
    return values


def _unit(X: np.ndarray) -> np.ndarray:
    """Columns centred and of length 1; columns that are constant up to rounding become 0."""
    centred = X - X[:1]  # a constant column becomes exactly 0
    centred = centred - centred.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    constant = length <= 4 * np.finfo(float).eps * np.sqrt(len(X)) * np.abs(X).max(axis=0)
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, length))


def _varies(X: np.ndarray) -> np.ndarray:
    return (_unit(X) != 0).any(axis=0)


def _slope(X: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Least-squares factor from each column of ``X`` to that of ``truth``; 0 for constant columns."""
    spread = X.std(axis=0)
    return (_unit(X) * _unit(truth)).sum(axis=0) * truth.std(axis=0) / np.where(spread > 0, spread, 1.0)
