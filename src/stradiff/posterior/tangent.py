"""The model about one point, where its map is as good as its tangent: y_t = g(s_t) + J_t (s - s_t) + noise.

The posterior precision of the sources is then K^-1 + blockdiag(J_t' J_t) / nu, K the covariance of the priors and nu
the variance of the noise. With R_t = (J_t' J_t / nu)^(1/2), zero where nothing is seen, everything about it comes from
one system, in one of three forms.

* I + R K R by conjugate gradients, preconditioned with the circulant system of the average R. It is quick where R_t is
  the same at all times.
* Where samples are missing it would take thousands of rounds: R_t spreads what is slow over frequencies at which K is
  a million times smaller. Of a short record the same matrix is factorised as a whole.
* Of a long one K^-1 + R_t^2 is solved by conjugate gradients, which compares with K^-1 + R^2 at the mean of R_t^2 as
  R_t^2 does, whatever K. K^-1 is known on the ring that the record is a piece of (``posterior.covariance``); outside
  the record nothing is seen.

Of a bent map the first form is ended after 500 rounds, solved or not. Draws are then wider than those of the posterior
at a known map; what the map itself leaves open (``posterior.nonlinear_cross_talk``) is wider by far (docs/uncertainty.md).
"""

from __future__ import annotations

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_solve
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array, Float

from stradiff.model.compiled import quick_jit
from stradiff.model.model import Model
from stradiff.model.observation_mask import Mask, apply_mask, count_observed
from stradiff.posterior.covariance import Covariance, RingCovariance

Trajectories = Float[Array, "n T"]

TOLERANCE = 1e-7  # of a solve, relative to its right-hand side: far below the Monte Carlo error of any band
ITERATIONS = 500  # of a solve: gaps need about a hundred
WHOLE = 6000  # samples of all sources together, up to which a record with gaps is factorised: 300 MB
FLAT = 1e-9  # of the largest eigenvalue of J'J: directions below are not seen


class Tangent(eqx.Module):
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
    gappy: bool = eqx.field(static=True)
    """Whether gram changes because samples are missing, and for no other reason."""


def tangent(model: Model, sources: Trajectories, observed: Float[Array, "T m"], mask: Mask) -> Tangent:
    """The map about ``sources``, as far as it can be seen."""
    jacobian = jax.vmap(jax.jacfwd(model.mixing), in_axes=1)(sources)
    jacobian = jax.vmap(lambda column: apply_mask(column, mask), in_axes=2, out_axes=2)(jacobian)
    residual = apply_mask(observed - model.mix(sources), mask)
    gram = jnp.einsum("tmi,tmj->tij", jacobian, jacobian)
    value, vector = jnp.linalg.eigh(gram)
    there = value > FLAT * jnp.max(value)
    scale = jnp.sqrt(jnp.where(there, value, 1.0))
    root = jnp.einsum("tia,ta,tja->tij", vector, jnp.where(there, scale, 0.0), vector)
    inverse = jnp.einsum("tia,ta,tja->tij", vector, jnp.where(there, 1.0 / scale, 0.0), vector)
    step = jnp.einsum("tij,tmj,tm->it", inverse, jacobian, residual)
    unexplained = jnp.sum(residual**2) - jnp.sum(step**2)
    data = jnp.einsum("tij,jt->it", root, sources) + step
    n_seen = jnp.asarray(count_observed(mask, observed.size), data.dtype)
    gappy = model.mixing.is_linear and mask is not None
    return Tangent(jnp.moveaxis(gram, 0, 2), root, data, jnp.maximum(unexplained, 0.0), n_seen, gappy)


tangent_at = quick_jit(tangent)


class System(eqx.Module):
    """What the recording says of the sources at one variance of the noise."""

    root: Float[Array, "T n n"]
    """R_t"""
    covariance: Covariance

    @abc.abstractmethod
    def mean(self, data: Trajectories) -> Trajectories:
        """(K^-1 + R^2)^-1 R d, of data d = R s + white noise: their posterior mean."""

    @abc.abstractmethod
    def squared(self, data: Trajectories) -> Float[Array, ""]:
        """d' (I + R K R)^-1 d, by how much data are unlikely."""

    def rooted(self, vectors: Trajectories) -> Trajectories:
        """R v."""
        return jnp.einsum("tij,jt->it", self.root, vectors)


class Rooted(System):
    """I + R K R, in either of two ways."""

    def mean(self, data: Trajectories) -> Trajectories:
        """K R (I + R K R)^-1 d."""
        return self.covariance.times(self.rooted(self._solve(data)))

    def squared(self, data: Trajectories) -> Float[Array, ""]:
        """As it stands."""
        return jnp.sum(data * self._solve(data))

    @abc.abstractmethod
    def _solve(self, right: Trajectories) -> Trajectories:
        """(I + R K R)^-1 right."""


class Rounds(Rooted):
    """By conjugate gradients."""

    preconditioner: Float[Array, "f n n"]

    def _solve(self, right: Trajectories) -> Trajectories:
        def matrix(vectors: Trajectories) -> Trajectories:
            return vectors + self.rooted(self.covariance.times(self.rooted(vectors)))

        def precondition(vectors: Trajectories) -> Trajectories:
            return filtered(self.preconditioner, vectors)

        return cg(matrix, right, tol=TOLERANCE, maxiter=ITERATIONS, M=precondition)[0]


class Whole(Rooted):
    """By its factor, of a short record."""

    factor: Float[Array, "N N"]

    def _solve(self, right: Trajectories) -> Trajectories:
        return cho_solve((self.factor, True), right.ravel()).reshape(right.shape)


class OnRing(System):
    """K^-1 + R_t^2 by conjugate gradients, on the ring."""

    covariance: RingCovariance
    preconditioner: Float[Array, "F n n"]

    def mean(self, data: Trajectories) -> Trajectories:
        """The piece of the ring that is the record."""
        return self._on_ring(data)[:, : data.shape[1]]

    def squared(self, data: Trajectories) -> Float[Array, ""]:
        """|d - R s|^2 + s' K^-1 s at the mean s, where an error of s counts squared."""
        ring = self._on_ring(data)
        return jnp.sum((data - self.rooted(ring[:, : data.shape[1]])) ** 2) + jnp.sum(ring * self._whitened(ring))

    def _on_ring(self, data: Trajectories) -> Float[Array, "n N"]:
        n_samples, rest = data.shape[1], 2 * (self.covariance.ring.shape[1] - 1) - data.shape[1]

        def matrix(ring: Float[Array, "n N"]) -> Float[Array, "n N"]:
            seen = self.rooted(self.rooted(ring[:, :n_samples]))
            return self._whitened(ring) + jnp.pad(seen, ((0, 0), (0, rest)))

        def precondition(ring: Float[Array, "n N"]) -> Float[Array, "n N"]:
            return filtered(self.preconditioner, ring)

        right = jnp.pad(self.rooted(data), ((0, 0), (0, rest)))
        return cg(matrix, right, tol=TOLERANCE, maxiter=ITERATIONS, M=precondition)[0]

    def _whitened(self, ring: Float[Array, "n N"]) -> Float[Array, "n N"]:
        """K^-1 v."""
        return jnp.fft.irfft(jnp.fft.rfft(ring) / self.covariance.ring, ring.shape[1])


def system(about: Tangent, covariance: Covariance, nu: Float[Array, ""]) -> System:
    """The system at noise variance ``nu``; its preconditioner is the inverse of that with R averaged over time."""
    root = about.root / jnp.sqrt(nu)
    n_samples, n_sources, _ = root.shape
    if about.gappy and n_samples * n_sources <= WHOLE:
        spread = jnp.einsum("tik,kts,sjk->itjs", root, covariance.matrices(n_samples), root)
        size = n_samples * n_sources
        return Whole(root, covariance, jnp.linalg.cholesky(jnp.eye(size) + spread.reshape(size, size)))
    if about.gappy and isinstance(covariance, RingCovariance):
        precision = jax.vmap(jnp.diag, in_axes=1)(1.0 / covariance.ring)
        return OnRing(root, covariance, jnp.linalg.inv(precision + jnp.mean(about.gram, axis=2)[None] / nu))
    average = jnp.mean(root, axis=0)
    rounded = jnp.einsum("ij,jf,jk->fik", average, covariance.record, average)
    return Rounds(root, covariance, jnp.linalg.inv(jnp.eye(average.shape[0])[None] + rounded))


system_at = quick_jit(system)


def filtered(response: Float[Array, "f n n"], vectors: Trajectories) -> Trajectories:
    """Vectors round a circle of their length, every frequency by a matrix of its own."""
    return jnp.fft.irfft(jnp.einsum("fij,jf->if", response, jnp.fft.rfft(vectors)), vectors.shape[1])
