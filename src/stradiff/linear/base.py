"""What all baselines share: centre, whiten, turn. They differ only in the turn of the whitened recording."""

from __future__ import annotations

import abc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy import linalg
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from stradiff.data.checks import check_observations
from stradiff.data.normalise import fit_normaliser
from stradiff.data.rank import check_rank
from stradiff.errors import InputError, NumericsError


class LinearSeparator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, abc.ABC):
    """Linear separation in two steps: ``Z = whitening (Y - mean)``, then ``S = unmixing Z``.

    A subclass is one method, ``_unmixing_of``. Sources come out with variance 1, the one that explains most
    of the (standardised) channels first, with the sign that makes its largest mixing weight positive.

    Parameters
    ----------
    n_components : int, optional
        Number of sources ``n``. With fewer than channels, the recording is first reduced to the ``n``
        principal components of its standardised channels. By default as many as channels.

    Attributes
    ----------
    components_ : ndarray (n, m)
        Unmixing: ``S = (Y - mean_) components_.T``.
    mixing_ : ndarray (m, n)
        Mixing: ``Y = S mixing_.T + mean_`` (the closest such, when ``n < m``).
    mean_ : ndarray (m,)
    converged_ : bool
        False when the iterations of the method ran out.
    n_features_in_ : int
    """

    def __init__(self, n_components: int | None = None) -> None:
        self.n_components = n_components

    @abc.abstractmethod
    def _unmixing_of(self, Z: np.ndarray) -> np.ndarray:
        """Unmixing ``(n, n)`` of the whitened recording ``Z (T, n)``; sets ``converged_`` if it iterates."""

    def fit(self, X: Any, y: object = None) -> LinearSeparator:
        """Learn the unmixing of the recording ``X (T, m)``.

        Raises
        ------
        InputError
            If ``X`` is no recording, has one channel only, or has a rank below ``n_components``.
        OptionError
            If a setting does not exist for this recording.
        NumericsError
            If the method diverged.
        """
        Y = check_observations(X)
        validate_data(self, X, skip_check_array=True)  # notes the number and names of the channels
        check_rank(Y, self.n_components)
        normaliser = fit_normaliser(Y, "whiten", self.n_components)
        Y = Y.astype(np.float64, copy=False)
        self.converged_ = True
        unmixing = self._unmixing_of(normaliser.forward(Y))
        if not np.isfinite(unmixing).all():
            raise NumericsError(f"{type(self).__name__} diverged on X; try another random_state or method.")
        self.mean_ = normaliser.mean
        self._set_unmixing(
            unmixing @ normaliser.matrix.T, normaliser.inverse_matrix.T @ linalg.inv(unmixing), Y.std(axis=0)
        )
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Sources ``(T, n)`` of a recording ``X (T, m)``."""
        check_is_fitted(self)
        Y = check_observations(X, min_samples=1, allow_constant=True)
        validate_data(self, X, reset=False, skip_check_array=True)
        return (Y - self.mean_) @ self.components_.T

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Recording ``(T, m)`` of sources ``X (T, n)``."""
        check_is_fitted(self)
        S = check_observations(X, min_samples=1, allow_constant=True)
        if S.shape[1] != self._n_features_out:
            raise InputError(f"X has {S.shape[1]} sources, but this fit has {self._n_features_out}.")
        return S @ self.mixing_.T + self.mean_

    @property
    def _n_features_out(self) -> int:
        return self.components_.shape[0]

    def _set_unmixing(self, unmixing: np.ndarray, mixing: np.ndarray, deviation: np.ndarray) -> None:
        """Store both in a fixed order and sign; blind separation itself leaves them open."""
        share = ((mixing / deviation[:, None]) ** 2).sum(axis=0)
        order = np.argsort(-share, kind="stable")
        largest = np.abs(mixing / deviation[:, None]).argmax(axis=0)
        sign = np.where(mixing[largest, np.arange(len(share))] < 0, -1.0, 1.0)
        self.components_ = (sign[:, None] * unmixing)[order]
        self.mixing_ = (mixing * sign)[:, order]


@contextmanager
def convergence_watched(estimator: LinearSeparator) -> Iterator[None]:
    """Turn a wrapped library's warning "did not converge" into ``converged_``; let other warnings through."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    missed = [w for w in caught if "did not converge" in str(w.message)]
    estimator.converged_ = not missed
    for w in caught:
        if w not in missed:
            warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)
