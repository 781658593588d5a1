"""Independent component analysis by existing libraries: FastICA (Hyvärinen & Oja 1997), Picard (Ablin et al. 2018)."""

from __future__ import annotations

import numpy as np
from sklearn import decomposition

from stradiff.errors import OptionError
from stradiff.linear.base import LinearSeparator, record_convergence


class FastICA(LinearSeparator):
    """FastICA of scikit-learn, for non-Gaussian sources; temporal order is ignored.

    Parameters
    ----------
    n_components : int, optional
        Number of sources; by default as many as channels.
    fun : {"logcosh", "exp", "cube"}
        Contrast function.
    max_iter : int
        Reaching it leaves ``converged_`` False.
    tol : float
    random_state : int, RandomState or None
        Of the initial rotation.
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
        with record_convergence(self):
            method.fit(Z)
        self.n_iter_ = method.n_iter_
        return method.components_


class Picard(LinearSeparator):
    """Maximum-likelihood ICA by preconditioned quasi-Newton steps; needs python-picard (extra ``baselines``).

    Parameters
    ----------
    n_components, max_iter, random_state : as in :class:`FastICA`
    ortho : bool
        Constrain the sources to be exactly white (Picard-O); otherwise their variance is only about 1.
    tol : float
        Tolerance on the gradient.

    Raises
    ------
    OptionError
        Raised by ``fit`` if python-picard is not installed.
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        ortho: bool = True,
        max_iter: int = 500,
        tol: float = 1e-7,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(n_components)
        self.ortho = ortho
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def _unmixing_of(self, Z: np.ndarray) -> np.ndarray:
        try:
            from picard import picard
        except ImportError as error:
            raise OptionError("Picard needs python-picard; pip install 'stradiff[baselines]'.") from error
        with record_convergence(self):
            _, unmixing, _, self.n_iter_ = picard(
                Z.T,
                whiten=False,
                centering=False,
                ortho=self.ortho,
                max_iter=self.max_iter,
                tol=self.tol,
                random_state=self.random_state,
                return_n_iter=True,
            )
        return unmixing
