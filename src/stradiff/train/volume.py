"""The volume term: Laplace's approximation of the marginal likelihood of the recording.

The paper maximises p(S) over sources *and* map, and does not count the volume of source space behind an observation,
which the map can shrink. Laplace's approximation of the likelihood with the sources integrated out adds half the
log-determinant of the posterior precision, K^-1 + blockdiag(J_t' J_t) / nu_y, J_t the map's Jacobian at time t. Where
J_t changes slowly relative to a source's correlation time, that determinant is a sum over times and frequencies,

    V = sum_t 1/(2 pi) int_0^pi log det( diag(1 / S_k(w)) + J_t' J_t / nu_y ) dw,

S_k the spectrum of prior k: Whittle's approximation (1953), local in time. For a linear map it is exact except at the
ends of the record. For nu_y -> 0 it becomes the change of variables sum_t 1/2 log det J_t' J_t. Frequencies at which a
source has no power contribute nothing.

The curvature of a non-Gaussian prior differs from source value to source value; 1 / S_k is then its Fisher information,
the mean curvature. The inverse spectrum in its place multiplies the error of the likelihood, and the likelihood of a
heavy-tailed prior would increase with its variance without bound (tests/train/test_volume_of_other_densities.py).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from stradiff.model.model import Model
from stradiff.model.source_sharding import on_every_device

FREQUENCIES = 32  # nodes of the integral; 64 give the same result
UNROLLED = 5  # sources; for more, elimination is a loop: unrolled, 64 of them take a minute to compile
BUDGET = 1 << 17  # numbers in the n x n matrices of all times: above, a random subset of times represents all


def volume(model: Model, sources: Float[Array, "n T"], nu_y: float, key: PRNGKeyArray) -> Float[Array, ""]:
    """V in nats, summed over recordings; unbiased over ``key`` when a subset of the times is sampled.

    In the padding of a recording nothing is seen: the precision is K^-1 alone.
    """
    n_sources, n_samples = sources.shape
    n_times = affordable_times(n_sources, n_samples)
    inside = None if model.parts is None or model.parts.equal else jnp.asarray(model.parts.inside.ravel())
    if n_times < n_samples:
        sampled = jax.random.randint(key, (n_times,), 0, n_samples)
        sources, inside = sources[:, sampled], None if inside is None else inside[sampled]
    return 0.5 * n_samples / n_times * jnp.sum(log_det_at(model, sources, model.length, nu_y, inside))


def affordable_times(n_sources: int, n_samples: int) -> int:
    """Number of times that are sampled in an epoch."""
    return min(n_samples, max(1, BUDGET // (n_sources**2 * FREQUENCIES)))


def log_det_at(
    model: Model, sampled: Float[Array, "n t"], n_samples: int, nu_y: float, inside: Bool[Array, " t"] | None = None
) -> Float[Array, " t"]:
    """The integral of V at each of the ``sampled`` source vectors, of a record of ``n_samples``.

    ``inside`` is False in padding, where nothing is seen; None: there is no padding.
    """
    sampled = on_every_device(sampled)
    spectra = 1.0 / model.priors.precisions(jnp.asarray(quadrature()[0]), n_samples)
    gram = _gram(model, sampled)
    if inside is not None:
        gram = jnp.where(inside[None, None, :], gram, 0.0)
    return log_det_of_precision(gram / nu_y, spectra)


def log_det_of_precision(gram: Float[Array, "n n t"], spectra: Float[Array, "n f"]) -> Float[Array, " t"]:
    """The integral of V at every time, without the half; ``gram`` is J_t' J_t / nu, ``spectra`` at ``quadrature()``."""
    precision = gram[:, :, :, None] + jax.vmap(jnp.diag, 1, 2)(1.0 / spectra.astype(gram.dtype))[:, :, None, :]
    return _log_det(precision) @ jnp.asarray(quadrature()[1], gram.dtype)


def _gram(model: Model, sources: Float[Array, "n t"]) -> Float[Array, "n n t"]:
    """J_t' J_t of the map at every sampled time."""
    jacobian = jax.vmap(jax.jacfwd(model.mixing), in_axes=1, out_axes=2)(sources)
    return jnp.einsum("mit,mjt->ijt", jacobian, jacobian)


def quadrature() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights (summing to one) on (0, pi), denser towards zero, for the power of slow sources."""
    node = (np.arange(FREQUENCIES) + 0.5) / FREQUENCIES
    return np.pi * node**2, 2.0 * node / FREQUENCIES


def _log_det(matrices: Float[Array, "n n t f"]) -> Float[Array, "t f"]:
    """log det of many small symmetric positive definite matrices by elimination, vectorised."""
    if len(matrices) > UNROLLED:
        return _log_det_by_loop(matrices)
    log_det = jnp.zeros(matrices.shape[2:], matrices.dtype)
    while matrices.shape[0]:
        pivot, column = matrices[0, 0], matrices[1:, 0]
        log_det = log_det + jnp.log(pivot)
        matrices = matrices[1:, 1:] - column[:, None] * (column / pivot[None])[None, :]
    return log_det


@jax.custom_vjp
def _log_det_by_loop(matrices: Float[Array, "n n t f"]) -> Float[Array, "t f"]:
    """The same by a program of constant size in n that keeps only the inverse for its derivative."""
    return _swept(matrices)[0]


def _swept(matrices: Float[Array, "n n t f"]) -> tuple[Float[Array, "t f"], Float[Array, "n n t f"]]:
    """log det and inverse by the sweep operator (Goodnight 1979, A tutorial on the SWEEP operator)."""

    def sweep(k: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        left, log_det = state
        pivot, row = left[k, k], left[k] / left[k, k][None]
        left = left - left[k][:, None] * row[None, :]
        return left.at[k].set(row).at[:, k].set(row).at[k, k].set(-1.0 / pivot), log_det + jnp.log(pivot)

    swept, log_det = jax.lax.fori_loop(
        0, len(matrices), sweep, (matrices, jnp.zeros(matrices.shape[2:], matrices.dtype))
    )
    return log_det, -swept


_log_det_by_loop.defvjp(_swept, lambda inverse, slope: (slope[None, None] * inverse,))
