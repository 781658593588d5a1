"""Cross-talk after nonlinear mixing: sources as smooth functions of each other.

A network that undoes any smooth change s + phi(s) of its sources explains the recording as well as before, so that
only the priors and the volume term determine phi. With phi_k = sigma_k sum_b c_kb b(s), b the products of Hermite
polynomials of sources of unit variance (s_k itself excepted in phi_k: the scale of a source is free),

    F(c) = 1/2 sum_k (s_k + phi_k)' K_k^-1 (s_k + phi_k) - sum_t log |det(I + dphi/ds)|

is the negative log marginal likelihood without noise. Its curvature at c = 0, between c_kb and c_ja, is

    H = [k = j] b' K_k^-1 a + sum_t (db/ds_j) (da/ds_k).

Noise of variance v_k on the estimate of source k (``posterior.mixing_uncertainty.source_noise``) replaces K_k by
K_k + v_k I and multiplies the second term by <f_k f_j / ((f_k + v_k) (f_j + v_j))>, f the spectra and <.> the mean over
frequencies. The information about linear functions is that of ``posterior.cross_talk``, which uses its expectation.

The prior of linear coefficients has unit information, as there. Coefficients of higher degree have, degree by degree,
the variance of the coefficients that the fitted map has about its best linear approximation (empirical Bayes).
(H + A)^-1, A the prior information, is the covariance of c; the step -(H + A)^-1 dF/dc towards the optimum adds in
squares, as in ``posterior.mixing_uncertainty``.

Several recordings with one map share one c: their information and slopes add up.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from stradiff.model.compiled import quick_jit
from stradiff.model.model import Model
from stradiff.posterior.covariance import Covariance
from stradiff.posterior.linearisation import Trajectories
from stradiff.train.volume import quadrature

DEGREE = 3  # of the polynomials, at most; a fourth changes coverage by one per cent (docs/uncertainty.md)
COEFFICIENTS = 1000  # at most: many sources have polynomials of a lower degree
LEAST_VARIANCE = 1e-12  # of a coefficient whose degree the fitted map does not have


class NonlinearCrossTalk(eqx.Module):
    """The second moments of c, and the polynomials that it multiplies."""

    exponents: Int[Array, "B n"]
    """Degree of every polynomial in every source."""
    centre: Float[Array, " n"]
    scale: Float[Array, " n"]
    """Mean and standard deviation of the sources."""
    factor: Float[Array, "n B N"]
    """Factor of the second moments of c, N = n B + 1: draws of c are its product with white noise."""

    def draw(self, sources: Trajectories, key: PRNGKeyArray) -> Trajectories:
        """phi of one draw of c, at these sources."""
        coefficients = self.factor @ jax.random.normal(key, (self.factor.shape[2],), self.factor.dtype)
        return self.scale[:, None] * (coefficients @ self._polynomials(sources))

    def variance(self, sources: Trajectories) -> Trajectories:
        """Variance of phi, at these sources."""
        polynomials = self._polynomials(sources)
        moments = self.factor @ jnp.moveaxis(self.factor, 1, 2)
        return self.scale[:, None] ** 2 * jnp.einsum("bt,kba,at->kt", polynomials, moments, polynomials)

    def _polynomials(self, sources: Trajectories) -> Float[Array, "B T"]:
        return hermite_products((sources - self.centre[:, None]) / self.scale[:, None], self.exponents)


class Expansion(NamedTuple):
    """F of one recording to second order about c = 0."""

    information: np.ndarray
    """``(n B, n B)``: H"""
    slope: np.ndarray
    """``(n B,)``: dF/dc"""


def nonlinear_cross_talk(
    models: Sequence[Model],
    sources: Sequence[Trajectories],
    covariances: Sequence[Covariance],
    noise: Sequence[np.ndarray],
) -> NonlinearCrossTalk:
    """Cross-talk in recordings with one map, each with a model, sources and the noise ``(n,)`` on them.

    Inside ``numerics()``.
    """
    joined = np.concatenate([np.asarray(rows, np.float64) for rows in sources], axis=1)
    centre, scale = joined.mean(axis=1), joined.std(axis=1)
    exponents = hermite_exponents(len(joined))
    standard = [(np.asarray(rows, np.float64) - centre[:, None]) / scale[:, None] for rows in sources]
    expansions = [
        expand_likelihood(rows, covariance, variances, scale, exponents)
        for rows, covariance, variances in zip(standard, covariances, noise, strict=True)
    ]
    images = [np.asarray(model.mix(jnp.asarray(rows))) for model, rows in zip(models, sources, strict=True)]
    prior = _prior_information(np.concatenate(standard, axis=1), np.concatenate(images), exponents)
    information = np.sum([expansion.information for expansion in expansions], axis=0)
    slope = np.sum([expansion.slope for expansion in expansions], axis=0)
    free = _free_coefficients(exponents)
    value, vector = np.linalg.eigh(information[np.ix_(free, free)])  # of few samples, negative values carry nothing
    covariance = np.linalg.inv((vector * np.maximum(value, 0.0)) @ vector.T + np.diag(prior[free]))
    factor = np.zeros((len(free), len(free) + 1))
    factor[np.ix_(free, np.append(free, False))] = np.linalg.cholesky(0.5 * (covariance + covariance.T))
    factor[free, -1] = -covariance @ slope[free]
    shape = (len(centre), len(exponents), -1)
    return NonlinearCrossTalk(*map(jnp.asarray, (exponents, centre, scale, factor.reshape(shape))))


def hermite_exponents(n_sources: int) -> np.ndarray:
    """``(B, n)``: all products up to the highest degree for which c has at most ``COEFFICIENTS`` entries."""
    degree = max(
        (d for d in range(2, DEGREE + 1) if n_sources * (math.comb(n_sources + d, d) - 1) <= COEFFICIENTS), default=1
    )
    rows = [
        np.bincount(factors, minlength=n_sources)
        for order in range(1, degree + 1)
        for factors in itertools.combinations_with_replacement(range(n_sources), order)
    ]
    return np.array(rows)


def hermite_products(sources: Float[Array, "n T"], exponents: Int[Array, "B n"]) -> Float[Array, "B T"]:
    """Products of Hermite polynomials, each of unit variance where sources are independent and Gaussian."""
    polynomials = _hermite_polynomials(sources)
    products = jnp.ones((exponents.shape[0], sources.shape[1]), sources.dtype)
    for k in range(sources.shape[0]):
        products = products * polynomials[k][exponents[:, k]]
    return products


def hermite_derivatives(sources: Float[Array, "n T"], exponents: Int[Array, "B n"], k: int) -> Float[Array, "B T"]:
    """Derivatives of the products by source k: He_a' = a He_(a-1)."""
    lower = exponents.at[:, k].add(-1)
    factor = jnp.sqrt(exponents[:, k].astype(sources.dtype))[:, None]  # zero where the source is not in the product
    return factor * hermite_products(sources, jnp.maximum(lower, 0))


def _hermite_polynomials(sources: Float[Array, "n T"]) -> Float[Array, "n D T"]:
    """He_a / sqrt(a!) for a = 0 .. DEGREE, by their recursion."""
    rows = [jnp.ones_like(sources), sources]
    for a in range(1, DEGREE):
        rows.append((sources * rows[a] - math.sqrt(a) * rows[a - 1]) / math.sqrt(a + 1))
    return jnp.stack(rows, axis=1)


def expand_likelihood(
    sources: np.ndarray, covariance: Covariance, noise: np.ndarray, scale: np.ndarray, exponents: np.ndarray
) -> Expansion:
    """H and dF/dc of one recording: sources ``(n, T)`` of unit variance, the rest in the model's own units."""
    n_sources, power = len(sources), np.asarray(covariance.node_power)
    gain = power / (power + noise[:, None])
    mean_gain = np.einsum("kq,jq,q->kj", gain, gain, quadrature()[1])
    points, degrees, n_polynomials = jnp.asarray(sources), jnp.asarray(exponents), len(exponents)
    rows = jnp.concatenate([hermite_products(points, degrees), points])
    products = np.asarray(_products(covariance, jnp.asarray(noise), rows)) * scale[:, None, None] ** 2
    derivatives = [hermite_derivatives(points, degrees, k) for k in range(n_sources)]
    information, slope = [], []
    for k in range(n_sources):
        blocks = [mean_gain[k, j] * np.asarray(derivatives[j] @ derivatives[k].T) for j in range(n_sources)]
        blocks[k] = blocks[k] + products[k, :n_polynomials, :n_polynomials]
        information.append(np.concatenate(blocks, axis=1))
        volume_slope = mean_gain[k, k] * np.asarray(derivatives[k].sum(axis=1))
        slope.append(products[k, :n_polynomials, n_polynomials + k] - volume_slope)
    return Expansion(np.concatenate(information), np.concatenate(slope))


@quick_jit
def _products(covariance: Covariance, noise: Float[Array, " n"], rows: Float[Array, "R T"]) -> Float[Array, "n R R"]:
    return covariance.products(noise, rows)


def _prior_information(sources: np.ndarray, image: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    """``(n B,)``: one for linear coefficients; for others, the inverse mean square that the fitted map has of them."""
    n_sources, degree = len(sources), exponents.sum(axis=1)
    polynomials = np.asarray(hermite_products(jnp.asarray(sources), jnp.asarray(exponents)))
    centred = image - image.mean(axis=0)
    matrix = np.linalg.lstsq(sources.T, centred, rcond=None)[0]
    unmixed = centred @ np.linalg.pinv(matrix)
    design = np.concatenate([np.ones((1, polynomials.shape[1])), polynomials]).T
    coefficients = np.linalg.lstsq(design, unmixed, rcond=None)[0][1:]
    information = np.ones(len(degree))
    for order in range(2, int(degree.max()) + 1):
        mean_square = float(np.mean(coefficients[degree == order] ** 2))
        information[degree == order] = 1.0 / max(mean_square, LEAST_VARIANCE)
    return np.tile(information, n_sources)


def _free_coefficients(exponents: np.ndarray) -> np.ndarray:
    """``(n B,)``: all but that of the source itself in its own function."""
    n_sources = exponents.shape[1]
    return ~np.concatenate([(exponents == np.eye(n_sources, dtype=int)[k]).all(axis=1) for k in range(n_sources)])
