"""FastICA (Hyvärinen & Oja 1997), as scikit-learn has it."""

from __future__ import annotations

import numpy as np
from sklearn import decomposition

from stradiff.linear.base import LinearSeparator, convergence_watched


class FastICA(LinearSeparator):
    """Sources whose values are not normally distributed; the order of the samples plays no role.

    Parameters
    ----------
    n_components : int, optional
        Number of sources; by default as many as channels.
    fun : {"logcosh", "exp", "cube"}
        Measure of non-normality.
    max_iter : int
        Reaching it leaves ``converged_`` False.
    tol : float
    random_state : int, RandomState or None
        Of the first rotation.
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        fun: str = "logcosh",
        max_iter: int = 500,
        tol: float = 1e-4,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(n_components)
        self.fun = fun
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def _unmixing_of(self, Z: np.ndarray) -> np.ndarray:
        method = decomposition.FastICA(
            whiten=False, fun=self.fun, max_iter=self.max_iter, tol=self.tol, random_state=self.random_state
        )
        with convergence_watched(self):
            method.fit(Z)
        self.n_iter_ = method.n_iter_
        return method.components_
