"""AMUSE: algorithm for multiple unknown signals extraction (Tong, Liu, Soon & Huang 1991)."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from stradiff.linear.base import LinearSeparator
from stradiff.linear.sobi import lagged_covariances, resolve_lags


class AMUSE(LinearSeparator):
    """Sources with different autocorrelation at one lag: SOBI with a single, exactly diagonalised matrix.

    ``R = V D V'`` is the symmetric covariance of the whitened recording at that lag, and ``s_t = V' z_t``.

    Parameters
    ----------
    n_components : int, optional
        Number of sources; by default as many as channels.
    lag : int
        In samples.
    """

    def __init__(self, n_components: int | None = None, *, lag: int = 1) -> None:
        super().__init__(n_components)
        self.lag = lag

    def _unmixing_of(self, Z: np.ndarray) -> np.ndarray:
        covariance = lagged_covariances(Z, resolve_lags([self.lag], len(Z)))[0]
        return linalg.eigh(covariance)[1].T
