"""The covariance of the priors over the record: products with it, and draws from it.

For a non-Gaussian prior it is the inverse of the Fisher information, as in ``train.volume``: the precision that the
prior gives a source. The power of such a source is larger, and has a covariance of its own (``second_moments_of``):
with the inverse information in its place, power of a heavy-tailed source would count as noise.
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
EMBEDDING = 4  # records in the circulant embedding: correlations may last most of one without wrapping around


class Covariance(eqx.Module):
    """K = diag(K_1 .. K_n), every K_k of T x T."""

    record_power: Float[Array, "n f"]
    """Power of every source at the Fourier frequencies of the record, for a preconditioner."""
    node_power: Float[Array, "n q"]
    """Power at the nodes of ``train.volume.quadrature``."""
    node_moments: Float[Array, "n q"]
    """Second moments at the same nodes: larger than the power where a prior is not Gaussian."""

    @abc.abstractmethod
    def apply(self, vectors: Float[Array, "n T"]) -> Float[Array, "n T"]:
        """K v."""

    @abc.abstractmethod
    def products(self, noise: Float[Array, " n"], rows: Float[Array, "R T"]) -> Float[Array, "n R R"]:
        """r' (K_k + v_k I)^-1 q of all rows r and q, for every source; ``noise`` holds v."""

    @abc.abstractmethod
    def matrices(self, n_samples: int) -> Float[Array, "n T T"]:
        """K_1 .. K_n."""

    @abc.abstractmethod
    def sample(self, key: PRNGKeyArray, n_samples: int) -> Float[Array, "n T"]:
        """A draw of N(0, K)."""


class CirculantCovariance(Covariance):
    """On a regular grid, in O(T log T) time and O(T) memory.

    The record is a stretch of a longer circle on which K is diagonal in frequency (circulant embedding, Dietrich &
    Newsam 1997).
    """

    power: Float[Array, "n F"]
    """Power at the frequencies of the embedding."""

    @property
    def size(self) -> int:
        """Number of samples of the embedding."""
        return 2 * (self.power.shape[1] - 1)

    def apply(self, vectors: Float[Array, "n T"]) -> Float[Array, "n T"]:
        """K v."""
        return _filtered(self.power, vectors)

    def products(self, noise: Float[Array, " n"], rows: Float[Array, "R T"]) -> Float[Array, "n R R"]:
        """By conjugate gradients, preconditioned with the inverse on the embedding, row by row."""

        def matrix(vectors: Float[Array, "n T"]) -> Float[Array, "n T"]:
            return self.apply(vectors) + noise[:, None] * vectors

        def precondition(vectors: Float[Array, "n T"]) -> Float[Array, "n T"]:
            return _filtered(1.0 / (self.power + noise[:, None]), vectors)

        def row_products(row: Float[Array, " T"]) -> Float[Array, "n R"]:
            right = jnp.broadcast_to(row, (noise.shape[0], row.shape[0]))
            return cg(matrix, right, tol=TOLERANCE, maxiter=ITERATIONS, M=precondition)[0] @ rows.T

        return jnp.moveaxis(jax.lax.map(row_products, rows), 1, 0)

    def matrices(self, n_samples: int) -> Float[Array, "n T T"]:
        """Toeplitz matrices of the autocovariance."""
        autocovariance = jnp.fft.irfft(self.power, self.size)
        return autocovariance[:, np.abs(np.subtract.outer(np.arange(n_samples), np.arange(n_samples)))]

    def sample(self, key: PRNGKeyArray, n_samples: int) -> Float[Array, "n T"]:
        """A draw of N(0, K)."""
        white = jax.random.normal(key, (self.power.shape[0], self.size))
        return _filtered(jnp.sqrt(self.power), white)[:, :n_samples]


class QuasiSeparableCovariance(Covariance):
    """On irregular times, of Matern priors, in O(T) time and memory (``model.priors.state_space``)."""

    groups: tuple[SymmQSM, ...]
    """The sources of one prior family each, along a leading axis."""
    places: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    """Indices of the sources in every group."""

    def apply(self, vectors: Float[Array, "n T"]) -> Float[Array, "n T"]:
        """K v."""
        return self._map_sources(lambda matrix, vector: matrix @ vector, vectors)

    def products(self, noise: Float[Array, " n"], rows: Float[Array, "R T"]) -> Float[Array, "n R R"]:
        """By the Cholesky factor of K_k + v_k I."""

        def source_products(matrix: SymmQSM, variance: Float[Array, ""]) -> Float[Array, "R R"]:
            noisy = matrix + DiagQSM(jnp.full(rows.shape[1], variance))
            whitened = noisy.cholesky().solve(rows.T)
            return whitened.T @ whitened

        return self._map_sources(source_products, noise)

    def matrices(self, n_samples: int) -> Float[Array, "n T T"]:
        """Dense matrices."""
        identity = jnp.eye(n_samples)
        return self._map_sources(lambda matrix, _: matrix @ identity, self.node_power)

    def sample(self, key: PRNGKeyArray, n_samples: int) -> Float[Array, "n T"]:
        """A draw of N(0, K)."""
        white = jax.random.normal(key, (self.node_power.shape[0], n_samples))
        return self._map_sources(lambda matrix, vector: matrix.cholesky() @ vector, white)

    def _map_sources(self, function: Callable[[SymmQSM, Array], Array], arguments: Float[Array, "n ..."]) -> Array:
        """``function(K_k, argument)`` of every source, in the order of the sources."""
        rows = [
            jax.vmap(function)(group, arguments[np.asarray(places)])
            for group, places in zip(self.groups, self.places, strict=True)
        ]
        return jnp.concatenate(rows)[np.argsort(np.concatenate(self.places))]


class DenseCovariance(Covariance):
    """On irregular times, by the Cholesky factor of every K_k."""

    factor: Float[Array, "n T T"]

    def apply(self, vectors: Float[Array, "n T"]) -> Float[Array, "n T"]:
        """K v."""
        return jnp.einsum("kts,ks->kt", self.factor, jnp.einsum("kus,ku->ks", self.factor, vectors))

    def products(self, noise: Float[Array, " n"], rows: Float[Array, "R T"]) -> Float[Array, "n R R"]:
        """By a dense solve, source by source."""

        def source_products(source: tuple[Float[Array, "T T"], Float[Array, ""]]) -> Float[Array, "R R"]:
            factor, variance = source
            return rows @ jnp.linalg.solve(factor @ factor.T + variance * jnp.eye(rows.shape[1]), rows.T)

        return jax.lax.map(source_products, (self.factor, noise))

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

    record_power, node_power = _power_on_record(power, model.n_samples)
    if times is None:
        moments = node_power if _gaussian(model) else _spectra_of(model)(quadrature()[0])
        return CirculantCovariance(record_power, node_power, moments, power(_embedding_grid(model.n_samples)))
    groups = model.priors.quasi_separable(times)
    if groups is not None:
        return QuasiSeparableCovariance(record_power, node_power, node_power, groups, model.priors.places)
    factor = jnp.linalg.cholesky(model.priors.covariances(times))
    return DenseCovariance(record_power, node_power, node_power, factor)


def second_moments_of(model: Model, times: Float[Array, " T"] | None) -> Covariance:
    """E[s s'] of a model's priors, by their spectra; equal to ``covariance_of`` where all priors are Gaussian."""
    # Non-Gaussian priors exist on regular grids alone.
    return covariance_of(model, times) if _gaussian(model) else _spectral_covariance(model)


@quick_jit
def _spectral_covariance(model: Model) -> Covariance:
    power = _spectra_of(model)
    record_power, node_power = _power_on_record(power, model.n_samples)
    return CirculantCovariance(record_power, node_power, node_power, power(_embedding_grid(model.n_samples)))


def _gaussian(model: Model) -> bool:
    return all(group.is_gaussian for group in model.priors.groups)


def _spectra_of(model: Model) -> Callable[[np.ndarray], Array]:
    return lambda omega: model.priors.spectra(jnp.asarray(omega), model.n_samples).astype(jnp.float64)


def _embedding_grid(n_samples: int) -> np.ndarray:
    """Frequencies of the embedding, in radians per sample."""
    size = 1 << (EMBEDDING * n_samples - 1).bit_length()
    return 2.0 * np.pi * np.arange(size // 2 + 1) / size


def _power_on_record(power: Callable[[np.ndarray], Array], n_samples: int) -> tuple[Array, Array]:
    """Power at the Fourier frequencies of the record and at the nodes of the quadrature."""
    return power(2.0 * np.pi * np.arange(n_samples // 2 + 1) / n_samples), power(quadrature()[0])


def _filtered(response: Float[Array, "n F"], vectors: Float[Array, "n T"]) -> Float[Array, "n T"]:
    """Every row, zero-padded to the embedding, times its response in frequency."""
    size = 2 * (response.shape[1] - 1)
    return jnp.fft.irfft(response * jnp.fft.rfft(vectors, size), size)[:, : vectors.shape[1]]
