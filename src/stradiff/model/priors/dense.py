"""The Gaussian log-density by Cholesky factorisation of the whole T x T covariance: exact, slow, for any times.

O(T^3) time and O(T^2) memory. It is the reference that every fast path is tested against, and what is used where
no fast path holds (an RBF kernel on irregular times).
"""

from __future__ import annotations

import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from stradiff.model.priors.kernels import KERNELS

Scalar = Float[Array, ""]


def covariance(
    kernel: str, times: Float[Array, " T"], length_scale: Scalar, variance: Scalar, jitter: Scalar
) -> Float[Array, "T T"]:
    """K_ij = sigma_f^2 k(|t_i - t_j| / l) + xi delta_ij (Eq. 18)."""
    distance = jnp.abs(times[:, None] - times[None, :]) / length_scale
    return variance * KERNELS[kernel](distance) + jitter * jnp.eye(times.shape[0])


def log_det_and_quadratic(
    source: Float[Array, " T"],
    times: Float[Array, " T"],
    kernel: str,
    length_scale: Scalar,
    variance: Scalar,
    jitter: Scalar,
) -> tuple[Scalar, Scalar]:
    """log|K| and s' K^-1 s, the two varying parts of Eq. 20."""
    factor = jnp.linalg.cholesky(covariance(kernel, times, length_scale, variance, jitter))
    whitened = solve_triangular(factor, source, lower=True)
    return 2.0 * jnp.sum(jnp.log(jnp.diagonal(factor))), jnp.sum(whitened**2)
