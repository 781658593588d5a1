"""Second-order separation: SOBI (Belouchrani et al. 1997) and its special case of one lag, AMUSE (Tong et al. 1991)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import linalg

from stradiff.errors import OptionError
from stradiff.linear.base import LinearSeparator


class SOBI(LinearSeparator):
    """Sources with different spectra, by joint diagonalisation of lagged covariances.

    Whitened sources stay uncorrelated at every lag, so one rotation makes all lagged covariances diagonal::

        R_k = E[z_t z_{t-k}'] ,   V = argmin over rotations of  sum_k off(V' R_k V) ,   s_t = V' z_t

    Deterministic. Samples must be equally spaced in time; sources with equal spectra cannot be separated.

    Parameters
    ----------
    n_components : int, optional
        Number of sources; by default as many as channels.
    lags : int or sequence of int
        A number K means lags 1..K, but at most a quarter of the recording; a sequence is used as given.
    max_sweeps : int
        Sweeps of Givens rotations; three sources take about 5, twenty noisy ones up to 100.
    tol : float
        Stop when no rotation of a sweep exceeds this angle (radians); the statistical error is about ``T ** -0.5``.

    Examples
    --------
    >>> from stradiff.data.simulate import simulate
    >>> SOBI(n_components=3).fit_transform(simulate("linear").recording.values).shape
    (1000, 3)
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        lags: int | Sequence[int] = 50,
        max_sweeps: int = 200,
        tol: float = 1e-6,
    ) -> None:
        super().__init__(n_components)
        self.lags = lags
        self.max_sweeps = max_sweeps
        self.tol = tol

    def _unmixing_of(self, Z: np.ndarray) -> np.ndarray:
        covariances = lagged_covariances(Z, resolve_lags(self.lags, len(Z)))
        rotation, self.n_iter_, self.converged_ = joint_diagonaliser(
            covariances, max_sweeps=self.max_sweeps, tol=self.tol
        )
        return rotation.T


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


def resolve_lags(lags: int | Sequence[int], n_samples: int) -> list[int]:
    """Lags as a list, all from 1 to ``n_samples - 1``."""
    if isinstance(lags, int | np.integer):
        lags = range(1, min(int(lags), max(1, n_samples // 4)) + 1)
    resolved = list(lags)
    if not resolved or not all(isinstance(lag, int | np.integer) and 1 <= lag < n_samples for lag in resolved):
        raise OptionError(f"lags={resolved!r} must be whole numbers from 1 to {n_samples - 1} (samples - 1).")
    return resolved


def lagged_covariances(Z: np.ndarray, lags: Sequence[int]) -> np.ndarray:
    """Symmetrised lagged covariances ``(K, n, n)`` of centred ``Z (T, n)``."""
    R = np.stack([Z[lag:].T @ Z[:-lag] / (len(Z) - lag) for lag in lags])
    return (R + R.transpose(0, 2, 1)) / 2


def joint_diagonaliser(
    matrices: np.ndarray, *, max_sweeps: int = 200, tol: float = 1e-6
) -> tuple[np.ndarray, int, bool]:
    """Rotation ``V (n, n)`` that minimises the off-diagonals of ``V' C V`` over all ``matrices (K, n, n)``.

    Jacobi sweeps with the closed-form angle of Cardoso & Souloumiac (1996), disjoint planes at once. Also
    returns the number of sweeps and whether they converged.
    """
    C = matrices
    V = np.eye(C.shape[1])
    negligible = np.finfo(float).eps * (C**2).sum()
    for sweep in range(1, max_sweeps + 1):
        largest = 0.0
        for p, q in _disjoint_planes(len(V)):
            angle = _best_angle(C, p, q, negligible)
            G = _givens(len(V), p, q, angle)
            C, V = G.T @ C @ G, V @ G
            largest = max(largest, np.abs(angle).max(initial=0.0))
        if largest <= tol:
            return V, sweep, True
    return V, max_sweeps, False


def _disjoint_planes(n: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """All planes ``(p, q)`` of ``n`` axes in rounds without a shared axis (round-robin, circle method)."""
    axes = np.arange(n + n % 2)  # an odd n has a dummy axis, which is dropped from each round
    rounds = []
    for _ in range(len(axes) - 1):
        p, q = np.split(axes, 2)
        valid = np.maximum(p, q[::-1]) < n
        rounds.append((p[valid], q[::-1][valid]))
        axes = np.concatenate([axes[:1], np.roll(axes[1:], 1)])
    return rounds


def _best_angle(C: np.ndarray, p: np.ndarray, q: np.ndarray, negligible: float) -> np.ndarray:
    """Per plane, the angle in [-pi / 4, pi / 4] with the smallest off-diagonals."""
    difference, coupling = C[:, p, p] - C[:, q, q], 2 * C[:, p, q]
    on, off = (difference**2 - coupling**2).sum(axis=0), 2 * (difference * coupling).sum(axis=0)
    degenerate = np.abs(on) + np.abs(off) <= negligible  # all angles are equally good
    return np.where(degenerate, 0.0, np.arctan2(off, on) / 4)


def _givens(n: int, p: np.ndarray, q: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Rotation ``(n, n)`` by ``angle`` in every plane ``(p, q)``."""
    G = np.eye(n)
    G[p, p] = G[q, q] = np.cos(angle)
    G[q, p] = np.sin(angle)
    G[p, q] = -G[q, p]
    return G
