"""What a bent map leaves open: sources that are functions of each other.

A network that undoes any smooth change s + phi(s) of its sources explains the recording as well as before, so only the
priors speak against one, and the volume that it takes. With phi_k = sigma_k sum_b c_kb b(s), b the products of
Hermite's polynomials of sources of unit variance (but for s_k itself in phi_k: the scale of a source is free),

    F(c) = 1/2 sum_k (s_k + phi_k)' K_k^-1 (s_k + phi_k) - sum_t log |det(I + dphi/ds)|

is less the log of the marginal likelihood without noise. Its curvature at c = 0, between c_kb and c_ja, is

    H = [k = j] b' K_k^-1 a + sum_t (db/ds_j) (da/ds_k).

Noise of variance v_k on the estimate of source k (``posterior.mixing_uncertainty.noise_about``) makes K_k + v_k I of K_k and
multiplies the second term with <f_k f_j / ((f_k + v_k) (f_j + v_j))>, f the spectra and <.> the mean over frequencies.
Linear functions carry the information of ``posterior.cross_talk``, which is what is expected of theirs here.

One unit of prior information speaks for c = 0 in linear functions, as there. Those of a higher degree are no larger
than they were in the map that was found: its coefficients about its best linear approximation give, degree by degree,
the variance of those that are open (empirical Bayes). (H + A)^-1, A the prior information, is the covariance of c, and
the step -(H + A)^-1 dF/dc that the evidence would go is added in squares, for the reasons of ``posterior.mixing_uncertainty``.

Several recordings with one map share one c, and what they say of it adds up.
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
from stradiff.posterior.tangent import Trajectories
from stradiff.train.volume import quadrature

DEGREE = 3  # of the functions, at most; a fourth changes coverage by one per cent (research/uncertainty.md)
COEFFICIENTS = 1000  # more are not told apart: the degree is lower where sources are many
LEAST = 1e-12  # variance of a coefficient whose degree the found map does not have


class NonlinearCrossTalk(eqx.Module):
    """The second moments of c, and the functions that it belongs to."""

    exponents: Int[Array, "B n"]
    """Degree of every function in every source."""
    centre: Float[Array, " n"]
    scale: Float[Array, " n"]
    """Mean and deviation of the sources."""
    factor: Float[Array, "n B N"]
    """Of the second moments of c, N = n B + 1: draws of c are its product with white noise."""

    def draw(self, sources: Trajectories, key: PRNGKeyArray) -> Trajectories:
        """phi of one draw of c, at these sources."""
        coefficients = self.factor @ jax.random.normal(key, (self.factor.shape[2],), self.factor.dtype)
        return self.scale[:, None] * (coefficients @ self._functions(sources))

    def variance(self, sources: Trajectories) -> Trajectories:
        """Of phi, at these sources."""
        functions = self._functions(sources)
        moments = self.factor @ jnp.moveaxis(self.factor, 1, 2)
        return self.scale[:, None] ** 2 * jnp.einsum("bt,kba,at->kt", functions, moments, functions)

    def _functions(self, sources: Trajectories) -> Float[Array, "B T"]:
        return functions_of((sources - self.centre[:, None]) / self.scale[:, None], self.exponents)


class Known(NamedTuple):
    """What a recording says of c."""

    information: np.ndarray
    """``(n B, n B)``: H"""
    slope: np.ndarray
    """``(n B,)``: dF/dc at zero"""


def nonlinear_cross_talk(
    models: Sequence[Model],
    sources: Sequence[Trajectories],
    covariances: Sequence[Covariance],
    noise: Sequence[np.ndarray],
) -> NonlinearCrossTalk:
    """Of recordings with one map, each with a model, its sources and the noise ``(n,)`` on them. In ``numerics()``."""
    every = np.concatenate([np.asarray(some, np.float64) for some in sources], axis=1)
    centre, scale = every.mean(axis=1), every.std(axis=1)
    exponents = exponents_of(len(every))
    standard = [(np.asarray(some, np.float64) - centre[:, None]) / scale[:, None] for some in sources]
    known = [
        what_is_known(one, covariance, variances, scale, exponents)
        for one, covariance, variances in zip(standard, covariances, noise, strict=True)
    ]
    images = [np.asarray(model.mix(jnp.asarray(some))) for model, some in zip(models, sources, strict=True)]
    prior = _prior_information(np.concatenate(standard, axis=1), np.concatenate(images), exponents)
    information = np.sum([one.information for one in known], axis=0)
    slope = np.sum([one.slope for one in known], axis=0)
    free = _free(exponents)
    inside = np.ix_(free, free)
    value, vector = np.linalg.eigh(information[inside])  # of few samples it may be negative: then it says nothing
    covariance = np.linalg.inv((vector * np.maximum(value, 0.0)) @ vector.T + np.diag(prior[free]))
    factor = np.zeros((len(free), len(free) + 1))
    factor[np.ix_(free, np.append(free, False))] = np.linalg.cholesky(0.5 * (covariance + covariance.T))
    factor[free, -1] = -covariance @ slope[free]
    shape = (len(centre), len(exponents), -1)
    return NonlinearCrossTalk(*map(jnp.asarray, (exponents, centre, scale, factor.reshape(shape))))


def exponents_of(n_sources: int) -> np.ndarray:
    """``(B, n)``: all products up to a degree, which is that for which c does not become too long."""
    degree = max(
        (d for d in range(2, DEGREE + 1) if n_sources * (math.comb(n_sources + d, d) - 1) <= COEFFICIENTS), default=1
    )
    rows = [
        np.bincount(chosen, minlength=n_sources)
        for order in range(1, degree + 1)
        for chosen in itertools.combinations_with_replacement(range(n_sources), order)
    ]
    return np.array(rows)


def functions_of(sources: Float[Array, "n T"], exponents: Int[Array, "B n"]) -> Float[Array, "B T"]:
    """Products of Hermite's polynomials, each of unit variance where sources are independent and Gaussian."""
    table = _polynomials(sources)
    result = jnp.ones((exponents.shape[0], sources.shape[1]), sources.dtype)
    for k in range(sources.shape[0]):
        result = result * table[k][exponents[:, k]]
    return result


def slopes_of(sources: Float[Array, "n T"], exponents: Int[Array, "B n"], of: int) -> Float[Array, "B T"]:
    """Their derivatives by source ``of``: He_a' = a He_(a-1)."""
    lower = exponents.at[:, of].add(-1)
    there = jnp.sqrt(exponents[:, of].astype(sources.dtype))[:, None]  # zero where the source is not in the product
    return there * functions_of(sources, jnp.maximum(lower, 0))


def _polynomials(sources: Float[Array, "n T"]) -> Float[Array, "n D T"]:
    """He_a / sqrt(a!) for a = 0 .. DEGREE, by their recursion."""
    rows = [jnp.ones_like(sources), sources]
    for a in range(1, DEGREE):
        rows.append((sources * rows[a] - math.sqrt(a) * rows[a - 1]) / math.sqrt(a + 1))
    return jnp.stack(rows, axis=1)


def what_is_known(
    sources: np.ndarray, covariance: Covariance, noise: np.ndarray, scale: np.ndarray, exponents: np.ndarray
) -> Known:
    """H and dF/dc by one recording: sources ``(n, T)`` of unit variance, the rest in the model's own units."""
    n_sources, power = len(sources), np.asarray(covariance.nodes)
    gain = power / (power + noise[:, None])
    shrunk = np.einsum("kq,jq,q->kj", gain, gain, quadrature()[1])
    at, chosen = jnp.asarray(sources), jnp.asarray(exponents)
    functions = functions_of(at, chosen)
    by_prior = np.asarray(_products(covariance, jnp.asarray(noise), jnp.concatenate([functions, at])))
    by_prior = by_prior * scale[:, None, None] ** 2
    n_functions, information, slope = len(exponents), [], []
    every = [slopes_of(at, chosen, k) for k in range(n_sources)]
    for k in range(n_sources):
        row = [shrunk[k, j] * np.asarray(every[j] @ every[k].T) for j in range(n_sources)]
        row[k] = row[k] + by_prior[k, :n_functions, :n_functions]
        information.append(np.concatenate(row, axis=1))
        slope.append(by_prior[k, :n_functions, n_functions + k] - shrunk[k, k] * np.asarray(every[k].sum(axis=1)))
    return Known(np.concatenate(information), np.concatenate(slope))


@quick_jit
def _products(covariance: Covariance, noise: Float[Array, " n"], rows: Float[Array, "R T"]) -> Float[Array, "n R R"]:
    return covariance.products(noise, rows)


def _prior_information(sources: np.ndarray, image: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    """``(n B,)``: one for linear functions; of others, one over the mean square that the found map has of them."""
    n_sources, degree = len(sources), exponents.sum(axis=1)
    functions = np.asarray(functions_of(jnp.asarray(sources), jnp.asarray(exponents)))
    centred = image - image.mean(axis=0)
    matrix = np.linalg.lstsq(sources.T, centred, rcond=None)[0]
    unmixed = centred @ np.linalg.pinv(matrix)
    constant = np.ones((1, functions.shape[1]))
    found = np.linalg.lstsq(np.concatenate([constant, functions]).T, unmixed, rcond=None)[0][1:]
    information = np.ones(len(degree))
    for order in range(2, int(degree.max()) + 1):
        information[degree == order] = 1.0 / max(float(np.mean(found[degree == order] ** 2)), LEAST)
    return np.tile(information, n_sources)


def _free(exponents: np.ndarray) -> np.ndarray:
    """``(n B,)``: all but the source itself in its own function."""
    n_sources = exponents.shape[1]
    return ~np.concatenate([(exponents == np.eye(n_sources, dtype=int)[k]).all(axis=1) for k in range(n_sources)])
