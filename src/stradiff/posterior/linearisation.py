"""The model linearised about given sources, y_t = g(s_t) + J_t (s - s_t) + noise, and the linear systems that follow.

The posterior precision of the sources is K^-1 + blockdiag(J_t' J_t) / nu, K the covariance of the priors and nu the
noise variance. With R_t = (J_t' J_t / nu)^(1/2), zero where nothing is seen, the mean and the likelihood need one
solve, by one of three methods.

* Conjugate gradients on I + R K R, preconditioned with the circulant system of the average R: few iterations where R_t
  is nearly constant in time. With a nonlinear mixing at most 500 iterations: draws are then wider than those of the
  posterior at a known map, and much narrower than the uncertainty of the map itself (docs/uncertainty.md).
* A Cholesky factor of the same matrix, for short records with missing samples: there conjugate gradients would need
  thousands of iterations, because R_t spreads slow components over frequencies at which K is a million times smaller.
* Conjugate gradients on K^-1 + R_t^2, for long records with missing samples. K^-1 is diagonal in frequency on the
  circulant embedding of the record (``posterior.covariance``), and nothing is seen outside the record. The condition
  number relative to the preconditioner K^-1 + mean R_t^2 is that of R_t^2, whatever K.
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
from stradiff.posterior.covariance import CirculantCovariance, Covariance

Trajectories = Float[Array, "n T"]

TOLERANCE = 1e-7  # of a solve, relative to its right-hand side: far below the Monte Carlo error of any band
ITERATIONS = 500  # of a solve: missing samples need about a hundred
LARGEST_FACTOR = 6000  # rows of the largest matrix that is factorised, samples times sources: 300 MB
RANK_TOLERANCE = 1e-9  # of the largest eigenvalue of J'J: directions below count as unseen


class Linearisation(eqx.Module):
    """The recording as linear observations of the sources at every time: ``data = root @ sources + noise``."""

    gram: Float[Array, "n n T"]
    """J_t' J_t"""
    root: Float[Array, "T n n"]
    """(J_t' J_t)^(1/2)"""
    data: Trajectories
    residual: Float[Array, ""]
    """Squared distance of the recording from the range of J_t."""
    n_seen: Float[Array, ""]
    """Number of values in the recording."""
    gappy: bool = eqx.field(static=True)
    """Whether the gram changes over time because samples are missing, and for no other reason."""


@quick_jit
def linearise(model: Model, sources: Trajectories, observed: Float[Array, "T m"], mask: Mask) -> Linearisation:
    """The model about ``sources``, restricted to what is seen."""
    jacobian = jax.vmap(jax.jacfwd(model.mixing), in_axes=1)(sources)
    jacobian = jax.vmap(lambda column: apply_mask(column, mask), in_axes=2, out_axes=2)(jacobian)
    error = apply_mask(observed - model.mix(sources), mask)
    gram = jnp.einsum("tmi,tmj->tij", jacobian, jacobian)
    value, vector = jnp.linalg.eigh(gram)
    in_range = value > RANK_TOLERANCE * jnp.max(value)
    scale = jnp.sqrt(jnp.where(in_range, value, 1.0))
    root = jnp.einsum("tia,ta,tja->tij", vector, jnp.where(in_range, scale, 0.0), vector)
    inverse = jnp.einsum("tia,ta,tja->tij", vector, jnp.where(in_range, 1.0 / scale, 0.0), vector)
    step = jnp.einsum("tij,tmj,tm->it", inverse, jacobian, error)
    residual = jnp.maximum(jnp.sum(error**2) - jnp.sum(step**2), 0.0)
    data = jnp.einsum("tij,jt->it", root, sources) + step
    n_seen = jnp.asarray(count_observed(mask, observed.size), data.dtype)
    gappy = model.mixing.is_linear and mask is not None
    return Linearisation(jnp.moveaxis(gram, 0, 2), root, data, residual, n_seen, gappy)


class System(eqx.Module):
    """The linear system of the posterior at one noise variance."""

    root: Float[Array, "T n n"]
    """R_t"""
    covariance: Covariance

    @abc.abstractmethod
    def mean(self, data: Trajectories) -> Trajectories:
        """(K^-1 + R^2)^-1 R d: the posterior mean given data d = R s + white noise."""

    @abc.abstractmethod
    def mahalanobis(self, data: Trajectories) -> Float[Array, ""]:
        """d' (I + R K R)^-1 d"""

    def rooted(self, vectors: Trajectories) -> Trajectories:
        """R v."""
        return jnp.einsum("tij,jt->it", self.root, vectors)


class RootedSystem(System):
    """I + R K R, solved by one of two methods."""

    def mean(self, data: Trajectories) -> Trajectories:
        """K R (I + R K R)^-1 d."""
        return self.covariance.apply(self.rooted(self._solve(data)))

    def mahalanobis(self, data: Trajectories) -> Float[Array, ""]:
        """d' (I + R K R)^-1 d"""
        return jnp.sum(data * self._solve(data))

    @abc.abstractmethod
    def _solve(self, right: Trajectories) -> Trajectories:
        """(I + R K R)^-1 right."""


class ConjugateGradientSystem(RootedSystem):
    """I + R K R by conjugate gradients."""

    preconditioner: Float[Array, "f n n"]

    def _solve(self, right: Trajectories) -> Trajectories:
        def matrix(vectors: Trajectories) -> Trajectories:
            return vectors + self.rooted(self.covariance.apply(self.rooted(vectors)))

        def precondition(vectors: Trajectories) -> Trajectories:
            return filtered(self.preconditioner, vectors)

        return cg(matrix, right, tol=TOLERANCE, maxiter=ITERATIONS, M=precondition)[0]


class CholeskySystem(RootedSystem):
    """I + R K R of a short record, by its Cholesky factor."""

    factor: Float[Array, "N N"]

    def _solve(self, right: Trajectories) -> Trajectories:
        return cho_solve((self.factor, True), right.ravel()).reshape(right.shape)


class CirculantSystem(System):
    """K^-1 + R_t^2 by conjugate gradients on the circulant embedding of the record."""

    covariance: CirculantCovariance
    preconditioner: Float[Array, "F n n"]

    def mean(self, data: Trajectories) -> Trajectories:
        """The solution on the embedding, cut to the record."""
        return self._solve(data)[:, : data.shape[1]]

    def mahalanobis(self, data: Trajectories) -> Float[Array, ""]:
        """|d - R s|^2 + s' K^-1 s at the mean s: second order in an error of s."""
        solution = self._solve(data)
        error = data - self.rooted(solution[:, : data.shape[1]])
        return jnp.sum(error**2) + jnp.sum(solution * self._whitened(solution))

    def _solve(self, data: Trajectories) -> Float[Array, "n N"]:
        n_samples, n_padded = data.shape[1], self.covariance.size - data.shape[1]

        def matrix(vectors: Float[Array, "n N"]) -> Float[Array, "n N"]:
            mask = self.rooted(self.rooted(vectors[:, :n_samples]))
            return self._whitened(vectors) + jnp.pad(mask, ((0, 0), (0, n_padded)))

        def precondition(vectors: Float[Array, "n N"]) -> Float[Array, "n N"]:
            return filtered(self.preconditioner, vectors)

        right = jnp.pad(self.rooted(data), ((0, 0), (0, n_padded)))
        return cg(matrix, right, tol=TOLERANCE, maxiter=ITERATIONS, M=precondition)[0]

    def _whitened(self, vectors: Float[Array, "n N"]) -> Float[Array, "n N"]:
        """K^-1 v."""
        return jnp.fft.irfft(jnp.fft.rfft(vectors) / self.covariance.power, vectors.shape[1])


@quick_jit
def system_of(linearisation: Linearisation, covariance: Covariance, nu: Float[Array, ""]) -> System:
    """The system at noise variance ``nu``; its preconditioner is the inverse of that with R averaged over time."""
    root = linearisation.root / jnp.sqrt(nu)
    n_samples, n_sources, _ = root.shape
    size = n_samples * n_sources
    if linearisation.gappy and size <= LARGEST_FACTOR:
        matrix = jnp.einsum("tik,kts,sjk->itjs", root, covariance.matrices(n_samples), root).reshape(size, size)
        return CholeskySystem(root, covariance, jnp.linalg.cholesky(jnp.eye(size) + matrix))
    if linearisation.gappy and isinstance(covariance, CirculantCovariance):
        precision = jax.vmap(jnp.diag, in_axes=1)(1.0 / covariance.power)
        average_gram = jnp.mean(linearisation.gram, axis=2)
        return CirculantSystem(root, covariance, jnp.linalg.inv(precision + average_gram[None] / nu))
    average = jnp.mean(root, axis=0)
    matrices = jnp.einsum("ij,jf,jk->fik", average, covariance.record_power, average)
    return ConjugateGradientSystem(root, covariance, jnp.linalg.inv(jnp.eye(n_sources)[None] + matrices))


def filtered(response: Float[Array, "f n n"], vectors: Trajectories) -> Trajectories:
    """Circular convolution: every frequency of the vectors multiplied by its own matrix."""
    return jnp.fft.irfft(jnp.einsum("fij,jf->if", response, jnp.fft.rfft(vectors)), vectors.shape[1])
