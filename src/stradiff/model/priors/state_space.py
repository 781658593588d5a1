"""The Matern Gaussian processes in O(T) time and memory, for any increasing times, exactly.

Matern kernels have a state-space form, so the covariance plus a nugget is quasi-separable and factorises in one pass
(Foreman-Mackey et al. 2017; Ambikasaran 2015). tinygp carries the solver.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float
from tinygp import GaussianProcess, kernels
from tinygp.solvers.quasisep.core import DiagQSM, SymmQSM

Scalar = Float[Array, ""]

KERNELS: dict[str, Any] = {
    "matern12": kernels.quasisep.Exp,
    "matern32": kernels.quasisep.Matern32,
    "matern52": kernels.quasisep.Matern52,
}


def log_density(source: Float[Array, " T"], times: Float[Array, " T"], kernel: str, *parameters: Scalar) -> Scalar:
    """log N(s; 0, K) of Eq. 20 with a Matern kernel; ``parameters`` are length-scale, sigma_f^2 and xi."""
    return _process(times, kernel, *parameters).log_probability(source)


def coloured(
    white: Float[Array, " T"], times: Float[Array, " T"], kernel: str, *parameters: Scalar
) -> Float[Array, " T"]:
    """The draw from N(0, K) that ``white``, one from N(0, I), stands for: the Cholesky factor of K times it."""
    drawn: Array = _process(times, kernel, *parameters).solver.dot_triangular(white)
    return drawn


def covariance(
    times: Float[Array, " T"], kernel: str, length_scale: Scalar, variance: Scalar, jitter: Scalar
) -> SymmQSM:
    """K as a quasi-separable matrix: what multiplies, factorises and solves in O(T)."""
    matrix: SymmQSM = _kernel(kernel, length_scale, variance).to_symm_qsm(times)
    return matrix + DiagQSM(jnp.broadcast_to(jitter, times.shape))


def _process(
    times: Float[Array, " T"], kernel: str, length_scale: Scalar, variance: Scalar, jitter: Scalar
) -> GaussianProcess:
    process = _kernel(kernel, length_scale, variance)
    return GaussianProcess(process, times, diag=jnp.broadcast_to(jitter, times.shape), assume_sorted=True)


def _kernel(kernel: str, length_scale: Scalar, variance: Scalar) -> Any:
    return KERNELS[kernel](scale=length_scale, sigma=jnp.sqrt(variance))
