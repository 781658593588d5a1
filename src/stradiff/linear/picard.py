"""Picard (Ablin, Cardoso & Gramfort 2018): maximum-likelihood ICA by preconditioned quasi-Newton steps."""

from __future__ import annotations

import numpy as np

from stradiff.errors import OptionError
from stradiff.linear.base import LinearSeparator, convergence_watched


class Picard(LinearSeparator):
    """Sources whose values are not normally distributed; often closer to the optimum than FastICA.

    Needs the package python-picard (extra ``baselines``).

    Parameters
    ----------
    n_components : int, optional
        Number of sources; by default as many as channels.
    ortho : bool
        Keep the sources exactly uncorrelated (Picard-O). Without, their variance is only about 1.
    max_iter : int
        Reaching it leaves ``converged_`` False.
    tol : float
        On the gradient.
    random_state : int, RandomState or None
        Of the first rotation.

    Raises
    ------
    OptionError
        By ``fit``, if python-picard is not installed.
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
        with convergence_watched(self):
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
