"""The covariance of the priors over the record, as a thing to multiply with and to draw from.

Of a prior that is not Gaussian it is the inverse of its Fisher information, as in ``train.volume``: how tightly the
prior holds a source. How strong a source is, its second moments say (``second_moments_of``): a heavy-tailed one is
stronger than the Gaussian that holds it as tightly, and by that one alone its power would pass for noise.
"""

from __future__ import annotations

import abc
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array, Float, PRNGKeyArray
from tinygp.solvers.quasisep.core import DiagQSM, SymmQSM

from stradiff.model.compiled import quick_jit
from stradiff.model.model import Model
from stradiff.train.volume import quadrature

TOLERANCE, ITERATIONS = 1e-5, 500  # of a solve under white noise
RING = 4  # records round the ring: sources may correlate over most of one, and the ring must not close on them


class Covariance(eqx.Module):
    """K = diag(K_1 .. K_n), every K_k of T x T."""

    record: Float[Array, "n f"]
    """Power of every source at the frequencies of the record itself, for a preconditioner."""
    nodes: Float[Array, "n q"]
    """Power at the nodes of ``train.volume``."""
    moments: Float[Array, "n q"]
    """Second moments there: more than the power, of a prior that is not Gaussian."""

    @abc.abstractmethod
    def times(self, vectors: Float[Array, "n T"]) -> Float[Array, "n T"]:
        """K v."""

    @abc.abstractmethod
    def products(self, noise: Float[Array, " n"], rows: Float[Array, "R T"]) -> Float[Array, "n R R"]:
        """r' (K_k + v_k I)^-1 q of all rows r and q, for every source; v is the ``noise`` on each."""

    @abc.abstractmethod
    def matrices(self, n_samples: int) -> Float[Array, "n T T"]:
        """K_1 .. K_n."""

    @abc.abstractmethod
    def sample(self, key: PRNGKeyArray, n_samples: int) -> Float[Array, "n T"]:
        """A draw of N(0, K)."""


class RingCovariance(Covariance):
    """On a regular grid, in O(T log T) time and O(T) memory.

    The record is a piece of a ring, on which K is diagonal in frequency (circulant embedding, Dietrich & Newsam 1997).
    """

    ring: Float[Array, "n F"]
    """Power at the frequencies of the ring."""

    def times(self, vectors: Float[Array, "n T"]) -> Float[Array, "n T"]:
        """K v."""
        return _filtered(self.ring, vectors)

    def products(self, noise: Float[Array, " n"], rows: Float[Array, "R T"]) -> Float[Array, "n R R"]:
        """By conjugate gradients, preconditioned with the inverse on the ring, row by row."""

        def matrix(vectors: Float[Array, "n T"]) -> Float[Array, "n T"]:
            return self.times(vectors) + noise[:, None] * vectors

        def precondition(vectors: Float[Array, "n T"]) -> Float[Array, "n T"]:
            return _filtered(1.0 / (self.ring + noise[:, None]), vectors)

        def with_all(row: Float[Array, " T"]) -> Float[Array, "n R"]:
            right = jnp.broadcast_to(row, (noise.shape[0], row.shape[0]))
            return cg(matrix, right, tol=TOLERANCE, maxiter=ITERATIONS, M=precondition)[0] @ rows.T

        return jnp.moveaxis(jax.lax.map(with_all, rows), 1, 0)

    def matrices(self, n_samples: int) -> Float[Array, "n T T"]:
        """By the distance in time."""
        of_lag = jnp.fft.irfft(self.ring, 2 * (self.ring.shape[1] - 1))
        return of_lag[:, np.abs(np.subtract.outer(np.arange(n_samples), np.arange(n_samples)))]

    def sample(self, key: PRNGKeyArray, n_samples: int) -> Float[Array, "n T"]:
        """A draw of N(0, K)."""
        size = 2 * (self.ring.shape[1] - 1)
        return _filtered(jnp.sqrt(self.ring), jax.random.normal(key, (self.ring.shape[0], size)))[:, :n_samples]


class QuasiSeparableCovariance(Covariance):
    """On irregular times, of Matern priors, in O(T) time and memory (``model.priors.state_space``)."""

    groups: tuple[SymmQSM, ...]
    """Of the sources of one family each, along a leading axis."""
    places: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    """Which sources these are."""

    def times(self, vectors: Float[Array, "n T"]) -> Float[Array, "n T"]:
        """K v."""
        return self._each(lambda matrix, vector: matrix @ vector, vectors)

    def products(self, noise: Float[Array, " n"], rows: Float[Array, "R T"]) -> Float[Array, "n R R"]:
        """By the factor of K_k + v_k I."""

        def of(matrix: SymmQSM, variance: Float[Array, ""]) -> Float[Array, "R R"]:
            noisy = matrix + DiagQSM(jnp.full(rows.shape[1], variance))
            whitened = noisy.cholesky().solve(rows.T)
            return whitened.T @ whitened

        return self._each(of, noise)

    def matrices(self, n_samples: int) -> Float[Array, "n T T"]:
        """Written out."""
        columns = jnp.eye(n_samples)
        return self._each(lambda matrix, _: matrix @ columns, self.nodes)

    def sample(self, key: PRNGKeyArray, n_samples: int) -> Float[Array, "n T"]:
        """A draw of N(0, K)."""
        white = jax.random.normal(key, (self.nodes.shape[0], n_samples))
        return self._each(lambda matrix, vector: matrix.cholesky() @ vector, white)

    def _each(self, function: Callable[[SymmQSM, Array], Array], of_sources: Float[Array, "n ..."]) -> Array:
        """``function(K_k, .)`` for every source, in their order."""
        rows = [
            jax.vmap(function)(group, of_sources[np.asarray(place)])
            for group, place in zip(self.groups, self.places, strict=True)
        ]
        return jnp.concatenate(rows)[np.argsort(np.concatenate(self.places))]


class DenseCovariance(Covariance):
    """On irregular times, by the Cholesky factor of every K_k."""

    factor: Float[Array, "n T T"]

    def times(self, vectors: Float[Array, "n T"]) -> Float[Array, "n T"]:
        """K v."""
        return jnp.einsum("kts,ks->kt", self.factor, jnp.einsum("kus,ku->ks", self.factor, vectors))

    def products(self, noise: Float[Array, " n"], rows: Float[Array, "R T"]) -> Float[Array, "n R R"]:
        """As a whole, source by source."""

        def of(source: tuple[Float[Array, "T T"], Float[Array, ""]]) -> Float[Array, "R R"]:
            factor, variance = source
            return rows @ jnp.linalg.solve(factor @ factor.T + variance * jnp.eye(rows.shape[1]), rows.T)

        return jax.lax.map(of, (self.factor, noise))

    def matrices(self, n_samples: int) -> Float[Array, "n T T"]:
        """L L'."""
        return jnp.einsum("kts,kus->ktu", self.factor, self.factor)

    def sample(self, key: PRNGKeyArray, n_samples: int) -> Float[Array, "n T"]:
        """A draw of N(0, K)."""
        return jnp.einsum("kts,ks->kt", self.factor, jax.random.normal(key, (self.factor.shape[0], n_samples)))


@quick_jit
def covariance_of(model: Model, times: Float[Array, " T"] | None) -> Covariance:
    """K of a model's priors; inside ``numerics()``."""

    def power(omega: np.ndarray) -> Array:
        return 1.0 / model.priors.precisions(jnp.asarray(omega), model.n_samples).astype(jnp.float64)

    record, nodes = _on_record(power, model.n_samples)
    if times is None:
        moments = nodes if _gaussian(model) else _spectra_of(model)(quadrature()[0])
        return RingCovariance(record, nodes, moments, power(_of_ring(model.n_samples)))
    groups = model.priors.quasi_separable(times)
    if groups is not None:
        return QuasiSeparableCovariance(record, nodes, nodes, groups, model.priors.places)
    return DenseCovariance(record, nodes, nodes, jnp.linalg.cholesky(model.priors.covariances(times)))


def second_moments_of(model: Model, times: Float[Array, " T"] | None) -> Covariance:
    """E[s s'] of a model's priors, by their spectra; of Gaussian ones the same as ``covariance_of``."""
    # Priors that are not Gaussian know regular times alone.
    return covariance_of(model, times) if _gaussian(model) else _by_spectra(model)


@quick_jit
def _by_spectra(model: Model) -> Covariance:
    power = _spectra_of(model)
    record, nodes = _on_record(power, model.n_samples)
    return RingCovariance(record, nodes, nodes, power(_of_ring(model.n_samples)))


def _gaussian(model: Model) -> bool:
    return all(group.is_gaussian for group in model.priors.groups)


def _spectra_of(model: Model) -> Callable[[np.ndarray], Array]:
    return lambda omega: model.priors.spectra(jnp.asarray(omega), model.n_samples).astype(jnp.float64)


def _of_ring(n_samples: int) -> np.ndarray:
    size = 1 << (RING * n_samples - 1).bit_length()
    return 2.0 * np.pi * np.arange(size // 2 + 1) / size


def _on_record(power: Callable[[np.ndarray], Array], n_samples: int) -> tuple[Array, Array]:
    return power(2.0 * np.pi * np.arange(n_samples // 2 + 1) / n_samples), power(quadrature()[0])


def _filtered(response: Float[Array, "n F"], vectors: Float[Array, "n T"]) -> Float[Array, "n T"]:
    """Every row through a filter round a ring, zero beyond the row's end."""
    size = 2 * (response.shape[1] - 1)
    return jnp.fft.irfft(response * jnp.fft.rfft(vectors, size), size)[:, : vectors.shape[1]]
