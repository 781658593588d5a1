"""The common base of the linear methods: centre, whiten, rotate. They differ in the rotation."""

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

    A subclass implements ``_unmixing_of``. Sources have variance 1 and are ordered by the variance of the standardised
    channels that they explain; the largest mixing weight of each is positive.

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
        Mixing: ``Y = S mixing_.T + mean_`` (its least-squares approximation when ``n < m``).
    mean_ : ndarray (m,)
    converged_ : bool
        False when the method stopped at its maximum number of iterations.
    n_features_in_ : int
    """

    def __init__(self, n_components: int | None = None) -> None:
        self.n_components = n_components

    @abc.abstractmethod
    def _unmixing_of(self, Z: np.ndarray) -> np.ndarray:
        """Unmixing ``(n, n)`` of the whitened recording ``Z (T, n)``; sets ``converged_`` if it iterates."""

    def fit(self, X: Any, y: object = None) -> LinearSeparator:
        """Estimate the unmixing of the recording ``X (T, m)``.

        Raises
        ------
        InputError
            ``X`` is not a valid recording, has one channel only, or has a rank below ``n_components``.
        OptionError
            A parameter is invalid for this recording.
        NumericsError
            The method diverged.
        """
        Y = check_observations(X)
        validate_data(self, X, skip_check_array=True)  # records the number and names of the channels
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
        """Store both with the order and signs of the sources fixed, which separation itself leaves undetermined."""
        weights = mixing / deviation[:, None]
        order = np.argsort(-(weights**2).sum(axis=0), kind="stable")
        largest = np.abs(weights).argmax(axis=0)
        sign = np.where(mixing[largest, np.arange(mixing.shape[1])] < 0, -1.0, 1.0)
        self.components_ = (sign[:, None] * unmixing)[order]
        self.mixing_ = (mixing * sign)[:, order]


class PCA(LinearSeparator):
    """Principal components of the standardised channels, each scaled to variance 1: whitening without a rotation."""

    def _unmixing_of(self, Z: np.ndarray) -> np.ndarray:
        return np.eye(Z.shape[1])


@contextmanager
def record_convergence(estimator: LinearSeparator) -> Iterator[None]:
    """Turn a wrapped library's warning "did not converge" into ``converged_``; re-emit other warnings."""
    estimator.converged_ = True
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        if "did not converge" in str(warning.message):
            estimator.converged_ = False
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
