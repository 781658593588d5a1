"""Mixings as the papers of ``sources`` define them: random matrices of good condition, and networks of them."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np

from stradiff.data.mixings import Nonlinearity, SimulatedMixing, random_linear

Rng = np.random.Generator
N_TRIALS = 10_000  # in all these papers


def uniform_matrix(rng: Rng, n_inputs: int, n_outputs: int) -> np.ndarray:
    """Entries uniform on (-1, 1), each output of norm 1, condition below the quartile of such matrices: ``(m, n)``.

    As in the papers on TCL, PCL, iVAE, HM-NLICA and SNICA; whether inputs or outputs are normalised, and whether the
    condition is below the quartile or the nearest to it, differs between their codes and hardly matters.
    """
    limit = quartile_of_condition(n_inputs, n_outputs)
    while np.linalg.cond(matrix := _uniform(rng, 1, n_inputs, n_outputs)[0]) > limit:
        pass
    return matrix


@cache
def quartile_of_condition(n_inputs: int, n_outputs: int) -> float:
    """A quarter of the matrices have a condition number below this."""
    trials = _uniform(np.random.default_rng(0), N_TRIALS, n_inputs, n_outputs)
    return float(np.quantile(np.linalg.cond(trials), 0.25))


def _uniform(rng: Rng, size: int, n_inputs: int, n_outputs: int) -> np.ndarray:
    matrices = rng.uniform(-1, 1, (size, n_outputs, n_inputs))
    return matrices / np.linalg.norm(matrices, axis=2, keepdims=True)


def network(
    rng: Rng,
    widths: list[int],
    activation: str = "leaky_relu",
    slope: float = 0.2,
    bias: float = 0.0,
    repeated: bool = False,
) -> SimulatedMixing:
    """Matrices from one width to the next with a nonlinearity between each two; one layer is a matrix.

    ``bias`` is the end of the interval from 0 on which the biases of HM-NLICA are uniform; ``repeated`` gives all
    layers of one shape the same matrix. As in the papers, the nonlinearities meet what the matrices give, not brought
    to variance 1.
    """
    matrices: list[np.ndarray] = []
    for n_inputs, n_outputs in pairwise(widths):
        alike = [matrix for matrix in matrices if repeated and matrix.shape == (n_outputs, n_inputs)]
        matrices.append(alike[0] if alike else uniform_matrix(rng, n_inputs, n_outputs))
    curves = [Nonlinearity(activation, slope, centre=-bias * rng.uniform(0, 1, m)) for m in widths[1:-1]]
    return SimulatedMixing(tuple(matrices), tuple(curves))


def orthogonal_network(rng: Rng, n: int, n_layers: int) -> SimulatedMixing:
    """The mixing of LEAP: a leaky ReLU of slope 0.2 before each of ``n_layers`` orthogonal matrices; 0: one matrix."""
    matrices = [random_linear(n, n, 1.0, rng).matrix for _ in range(max(1, n_layers))]
    if n_layers == 0:
        return SimulatedMixing(tuple(matrices))
    return SimulatedMixing((np.eye(n), *matrices), (Nonlinearity("leaky_relu", 0.2),) * n_layers)
