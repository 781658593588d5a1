"""The model about one point, where its map is as good as its tangent: y_t = g(s_t) + J_t (s - s_t) + noise.

The posterior precision of the sources is then K^-1 + blockdiag(J_t' J_t) / nu, K the covariance of the priors and nu
the variance of the noise. With R_t = (J_t' J_t / nu)^(1/2), zero where nothing is seen, everything about it comes from
one system, I + R K R, solved by conjugate gradients preconditioned with the circulant system of the average R.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array, Float

from stradiff.inference.covariance import Covariance
from stradiff.model.model import Model
from stradiff.model.visible import Seen, count_visible, visible

Trajectories = Float[Array, "n T"]

TOLERANCE = 1e-7  # of a solve, relative to its right-hand side: far below the Monte Carlo error of any band
ITERATIONS = 500  # of a solve: a map that stretches ten times more here than there needs about a hundred
FLAT = 1e-9  # of the largest eigenvalue of J'J: directions below are not seen


class Tangent(NamedTuple):
    """What the recording says of the sources: ``data = root @ sources + noise`` of variance nu, per time."""

    gram: Float[Array, "n n T"]
    """J_t' J_t"""
    root: Float[Array, "T n n"]
    """(J_t' J_t)^(1/2)"""
    data: Trajectories
    unexplained: Float[Array, ""]
    """Squared distance of the recording from all that sources could bring to it."""
    n_seen: Float[Array, ""]
    """Number of values of the recording."""


def tangent(model: Model, sources: Trajectories, observed: Float[Array, "T m"], seen: Seen) -> Tangent:
    """The map about ``sources``, as far as it can be seen."""
    jacobian = jax.vmap(jax.jacfwd(model.mixing), in_axes=1)(sources)
    jacobian = jax.vmap(lambda column: visible(column, seen), in_axes=2, out_axes=2)(jacobian)
    residual = visible(observed - model.mix(sources), seen)
    gram = jnp.einsum("tmi,tmj->tij", jacobian, jacobian)
    value, vector = jnp.linalg.eigh(gram)
    there = value > FLAT * jnp.max(value)
    scale = jnp.sqrt(jnp.where(there, value, 1.0))
    root = jnp.einsum("tia,ta,tja->tij", vector, jnp.where(there, scale, 0.0), vector)
    inverse = jnp.einsum("tia,ta,tja->tij", vector, jnp.where(there, 1.0 / scale, 0.0), vector)
    step = jnp.einsum("tij,tmj,tm->it", inverse, jacobian, residual)
    unexplained = jnp.sum(residual**2) - jnp.sum(step**2)
    data = jnp.einsum("tij,jt->it", root, sources) + step
    n_seen = jnp.asarray(count_visible(seen, observed.size), data.dtype)
    return Tangent(jnp.moveaxis(gram, 0, 2), root, data, jnp.maximum(unexplained, 0.0), n_seen)


tangent_at = eqx.filter_jit(tangent)


class System(NamedTuple):
    """I + R K R at one variance of the noise."""

    root: Float[Array, "T n n"]
    covariance: Covariance
    preconditioner: Float[Array, "f n n"]

    def solve(self, right: Trajectories) -> Trajectories:
        """(I + R K R)^-1 right."""

        def matrix(vectors: Trajectories) -> Trajectories:
            return vectors + self.rooted(self.smooth(vectors))

        def precondition(vectors: Trajectories) -> Trajectories:
            transformed = jnp.einsum("fij,jf->if", self.preconditioner, jnp.fft.rfft(vectors))
            return jnp.fft.irfft(transformed, right.shape[1])

        solution, _ = cg(matrix, right, tol=TOLERANCE, maxiter=ITERATIONS, M=precondition)
        return solution

    def rooted(self, vectors: Trajectories) -> Trajectories:
        """R v."""
        return jnp.einsum("tij,jt->it", self.root, vectors)

    def smooth(self, solution: Trajectories) -> Trajectories:
        """K R v: what a solution means for the sources."""
        return self.covariance.times(self.rooted(solution))


def system(root: Float[Array, "T n n"], covariance: Covariance, nu: Float[Array, ""]) -> System:
    """The system at noise variance ``nu``; its preconditioner is its inverse round a circle, R averaged over time."""
    root = root / jnp.sqrt(nu)
    average = jnp.mean(root, axis=0)
    rounded = jnp.einsum("ij,jf,jk->fik", average, covariance.record, average)
    return System(root, covariance, jnp.linalg.inv(jnp.eye(average.shape[0])[None] + rounded))
