"""SOBI: second-order blind identification (Belouchrani, Abed-Meraim, Cardoso & Moulines 1997)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stradiff.errors import OptionError
from stradiff.linear.base import LinearSeparator


class SOBI(LinearSeparator):
    """Sources with different spectra, by joint diagonalisation of lagged covariances.

    Whitened sources stay uncorrelated at every lag, so one rotation makes all lagged covariances diagonal::

        R_k = E[z_t z_{t-k}'] ,   V = argmin over rotations of  sum_k off(V' R_k V) ,   s_t = V' z_t

    Deterministic. Samples must be equally spaced in time; sources of one spectrum cannot be told apart.

    Parameters
    ----------
    n_components : int, optional
        Number of sources; by default as many as channels.
    lags : int or sequence of int
        A number K means lags 1..K, cut at a quarter of the recording, beyond which too few products are
        averaged; a sequence is taken as it is.
    max_sweeps : int
        Sweeps of Givens rotations. Three sources take about 5, twenty noisy ones up to 100.
    tol : float
        Stop when a whole sweep turns by less than this angle (radians), far below the statistical error
        of about ``T ** -0.5``.

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


def resolve_lags(lags: int | Sequence[int], n_samples: int) -> list[int]:
    """Lags as a list, all from 1 to ``n_samples - 1``."""
    if isinstance(lags, int | np.integer):
        chosen = list(range(1, min(int(lags), max(1, n_samples // 4)) + 1))
    else:
        chosen = list(lags)
    if not chosen or not all(isinstance(lag, int | np.integer) and 1 <= lag < n_samples for lag in chosen):
        raise OptionError(f"lags={lags!r} must be whole numbers from 1 to {n_samples - 1} (samples - 1).")
    return chosen


def lagged_covariances(Z: np.ndarray, lags: Sequence[int]) -> np.ndarray:
    """Symmetric lagged covariances ``(K, n, n)`` of centred ``Z (T, n)``, the same when time is reversed."""
    R = np.stack([Z[lag:].T @ Z[:-lag] / (len(Z) - lag) for lag in lags])
    return (R + R.transpose(0, 2, 1)) / 2


def joint_diagonaliser(
    matrices: np.ndarray, *, max_sweeps: int = 200, tol: float = 1e-6
) -> tuple[np.ndarray, int, bool]:
    """Rotation ``V (n, n)`` that makes ``V' C V`` as diagonal as can be for all of ``matrices (K, n, n)``.

    Jacobi sweeps with the closed-form angle of Cardoso & Souloumiac (1996), disjoint planes at once. Also
    returns the number of sweeps and whether they settled.
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
    """All planes ``(p, q)`` of ``n`` axes in rounds without a shared axis: a tournament by circle method."""
    seats = np.arange(n + n % 2)  # an odd player out meets a seat that does not exist
    rounds = []
    for _ in range(len(seats) - 1):
        half = len(seats) // 2
        p, q = seats[:half], seats[half:][::-1]
        played = np.maximum(p, q) < n
        rounds.append((p[played], q[played]))
        seats = np.concatenate([seats[:1], np.roll(seats[1:], 1)])
    return rounds


def _best_angle(C: np.ndarray, p: np.ndarray, q: np.ndarray, negligible: float) -> np.ndarray:
    """Per plane, the angle that leaves least off the diagonals, at most pi / 4 either way."""
    difference, coupling = C[:, p, p] - C[:, q, q], 2 * C[:, p, q]
    on, off = (difference**2 - coupling**2).sum(axis=0), 2 * (difference * coupling).sum(axis=0)
    undecided = np.abs(on) + np.abs(off) <= negligible  # any angle does equally well
    return np.where(undecided, 0.0, np.arctan2(off, on) / 4)


def _givens(n: int, p: np.ndarray, q: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Rotation ``(n, n)`` by ``angle`` in every plane ``(p, q)``."""
    G = np.eye(n)
    G[p, p] = G[q, q] = np.cos(angle)
    G[q, p] = np.sin(angle)
    G[p, q] = -G[q, p]
    return G
