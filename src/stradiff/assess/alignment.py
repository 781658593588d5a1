"""Which estimate is which true source, with what sign and scale: blind separation leaves all three open."""

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
    """For each of ``n`` true sources, in their order, the estimate that stands for it.

    Attributes
    ----------
    order : ndarray of int (n,)
        Column of the estimate; -1 where there were fewer estimates than true sources.
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

        A true source without a usable estimate gets its best constant guess, its mean.
        """
        return self._columns(estimate) * (self.sign * self.scale) + self.offset

    def apply_sd(self, sd: ArrayLike) -> np.ndarray:
        """Standard deviations ``(T, n_hat)`` of the estimate, in order and scale of the truth: ``(T, n)``."""
        return self._columns(sd) * self.scale

    def _columns(self, values: ArrayLike) -> np.ndarray:
        values = _table(values, "estimate")
        if values.shape[1] <= self.order.max(initial=-1):
            raise InputError(f"estimate has {values.shape[1]} columns, too few for the order {self.order}.")
        # Columns of scale 0 are left out by hand: they may hold NaN, and NaN x 0 is NaN.
        return np.where(self.scale > 0, values[:, self.order], 0.0)


def match_sources(estimate: ArrayLike, truth: ArrayLike, *, rank: bool = False) -> Matching:
    """Pair estimated with true sources so that absolute correlations sum to most (Hungarian method).

    Parameters
    ----------
    estimate : array (T, n_hat)
        Constant columns and columns with NaN or infinity count as correlation 0. There may be more or fewer
        columns than true sources; a true source left over gets order -1 and correlation 0.
    truth : array (T, n)
    rank : bool
        Correlate ranks (Spearman) in place of values (Pearson): blind to any increasing bend of a source.
        Scale and offset are least squares on the values either way.

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
    usable = (np.abs(estimate) < LARGEST).all(axis=0)  # False for NaN too
    estimate = np.where(usable, estimate, 0.0)
    estimate = np.where(_varies(estimate), estimate, 0.0)  # or rounding would be ranked like a signal
    ranked = (lambda X: rankdata(X, axis=0)) if rank else (lambda X: X)
    table = _unit(ranked(truth)).T @ _unit(ranked(estimate))
    rows, columns = linear_sum_assignment(np.abs(table), maximize=True)

    order = np.full(truth.shape[1], -1)
    order[rows] = columns
    correlation = np.where(order >= 0, table[np.arange(len(order)), order], 0.0)
    sign = np.where(correlation < 0, -1.0, 1.0)
    chosen = np.where(correlation != 0, estimate[:, order], 0.0)
    scale = np.maximum(sign * _slope(chosen, truth), 0.0)
    offset = truth.mean(axis=0) - sign * scale * chosen.mean(axis=0)
    return Matching(order, sign, scale, offset, np.minimum(np.abs(correlation), 1.0))


def checked_pair(
    estimate: ArrayLike, truth: ArrayLike, names: tuple[str, str] = ("estimate", "truth")
) -> tuple[np.ndarray, np.ndarray]:
    """Both as float tables of one length, the truth finite and varying; ``names`` are for the messages."""
    estimate, truth = _table(estimate, names[0]), _table(truth, names[1])
    if len(estimate) != len(truth):
        raise InputError(f"{names[0]} has {len(estimate)} samples, {names[1]} {len(truth)}; give the same ones.")
    if not (np.abs(truth) < LARGEST).all():
        raise InputError(f"{names[1]} holds NaN, infinity or huge values; leave those samples out of both.")
    if not _varies(truth).all():
        raise InputError(f"{names[1]} has a constant column, which nothing can explain; leave it out of both.")
    return estimate, truth


def _table(values: ArrayLike, name: str) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    if values.ndim != 2 or 0 in values.shape:
        raise InputError(f"{name} has shape {values.shape}; it must be (samples, columns), neither of them 0.")
    return values


def _unit(X: np.ndarray) -> np.ndarray:
    """Columns centred and to length 1; columns that are constant to rounding become 0."""
    centred = X - X[:1]  # first, so that a constant becomes 0 without any rounding
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
