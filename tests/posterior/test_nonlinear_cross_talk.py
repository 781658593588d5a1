"""Nonlinear cross-talk: the information is the curvature of the likelihood, and draws have the stated variance."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from laplace_models import JITTER, SCALES, T, model_of
from quick_compile import quick_compile

from stradiff.model import numerics
from stradiff.posterior.covariance import covariance_of
from stradiff.posterior.cross_talk import cross_talk_covariance
from stradiff.posterior.nonlinear_cross_talk import (
    COEFFICIENTS,
    DEGREE,
    expand_likelihood,
    hermite_derivatives,
    hermite_exponents,
    hermite_products,
    nonlinear_cross_talk,
)
from stradiff.train.volume import quadrature

NOISE = np.array([0.02, 0.05])


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compile(), numerics():
        yield


@pytest.fixture(scope="module")
def sources():
    """Draws of the priors of ``laplace_models``, of unit variance."""
    time = np.arange(T)
    kernels = [np.exp(-0.5 * ((time[:, None] - time) / scale) ** 2) + JITTER * np.eye(T) for scale in SCALES]
    rows = np.stack([np.linalg.cholesky(kernel) @ np.random.default_rng(1).standard_normal(T) for kernel in kernels])
    return (rows - rows.mean(axis=1, keepdims=True)) / rows.std(axis=1, keepdims=True)


@pytest.mark.parametrize("n_sources", [1, 2, 3, 5, 10, 20])
def test_exponents_are_all_up_to_a_degree(n_sources):
    exponents = hermite_exponents(n_sources)
    degree = exponents.sum(axis=1)
    assert len(np.unique(exponents, axis=0)) == len(exponents) and degree.min() == 1
    assert degree.max() == DEGREE if n_sources <= 5 else degree.max() < DEGREE
    assert degree.max() == 1 or exponents.size <= COEFFICIENTS


def test_products_are_orthonormal_and_have_their_derivatives():
    exponents = jnp.asarray(hermite_exponents(2))
    drawn = jax.random.normal(jax.random.key(0), (2, 200_000))
    functions = hermite_products(drawn, exponents)
    np.testing.assert_allclose(functions @ functions.T / 200_000, np.eye(len(exponents)), atol=0.1)
    few = drawn[:, :50]
    for k in range(2):
        direction = jnp.zeros_like(few).at[k].set(1.0)
        _, derivative = jax.jvp(lambda rows: hermite_products(rows, exponents), (few,), (direction,))
        np.testing.assert_allclose(hermite_derivatives(few, exponents, k), derivative, atol=1e-10)


@pytest.mark.parametrize("times", [None, jnp.linspace(0.0, 1.0, T)], ids=["regular", "irregular"])
def test_without_noise_it_is_the_curvature_of_the_likelihood(sources, times):
    """Against F by automatic differentiation, with dense priors."""
    model, exponents = model_of(), jnp.asarray(hermite_exponents(2))
    covariance = covariance_of(model, times)
    precision, rows = jnp.linalg.inv(covariance.matrices(T)), jnp.asarray(sources)

    def cost(flat):
        coefficients = flat.reshape(2, -1)
        moved = rows + coefficients @ hermite_products(rows, exponents)
        slopes = jnp.stack([coefficients @ hermite_derivatives(rows, exponents, j) for j in range(2)], axis=1)
        volume = jnp.linalg.slogdet(jnp.eye(2)[None] + jnp.moveaxis(slopes, 2, 0))[1]
        return 0.5 * jnp.einsum("kt,kts,ks->", moved, precision, moved) - jnp.sum(volume)

    zero = jnp.zeros(2 * len(exponents))
    expansion = expand_likelihood(sources, covariance, np.zeros(2), np.ones(2), np.asarray(exponents))
    wanted = np.asarray(jax.hessian(cost)(zero))
    scale = np.sqrt(np.outer(*2 * [np.diag(expansion.information)]))
    np.testing.assert_allclose(expansion.information / scale, wanted / scale, atol=1e-5)
    np.testing.assert_allclose(expansion.slope, jax.grad(cost)(zero), atol=1e-3 * np.abs(expansion.slope).max())


def test_linear_functions_carry_the_information_of_linear_cross_talk():
    """The information expected there is the mean of that of many records of the priors."""
    model = model_of(n_samples=400)
    covariance, exponents = covariance_of(model, None), np.eye(2, dtype=int)
    keys = jax.random.split(jax.random.key(0), 60)
    drawn = jax.vmap(lambda key: covariance.sample(key, 400))(keys)
    noise, scale = NOISE * 1e-6, np.ones(2)
    records = [expand_likelihood(np.asarray(rows), covariance, noise, scale, exponents) for rows in drawn]
    mean_information = np.mean([record.information for record in records], axis=0)
    expected = cross_talk_covariance(np.asarray(covariance.node_power), quadrature()[1], 400)
    pair = np.ix_([1, 2], [1, 2])  # of source 1 in source 0, and of 0 in 1
    information = np.linalg.inv(expected[0, 1]) - np.eye(2)
    np.testing.assert_allclose(mean_information[pair], information, rtol=0.15)


@pytest.fixture(scope="module")
def cross_talk(sources):
    model = model_of("mlp")
    return nonlinear_cross_talk([model], [jnp.asarray(sources)], [covariance_of(model, None)], [NOISE])


def test_draws_have_the_stated_variance(cross_talk, sources):
    keys = jax.random.split(jax.random.key(0), 2000)
    drawn = jax.vmap(lambda key: cross_talk.draw(jnp.asarray(sources), key))(keys)
    variance = np.asarray(cross_talk.variance(jnp.asarray(sources)))
    assert (variance > 0).all()
    np.testing.assert_allclose(np.mean(np.asarray(drawn) ** 2, axis=0) / variance, 1.0, atol=0.25)


def test_no_source_has_linear_cross_talk_with_itself(cross_talk):
    own = np.eye(2, dtype=int)
    for k in range(2):
        (index,) = np.flatnonzero((np.asarray(cross_talk.exponents) == own[k]).all(axis=1))
        assert (np.asarray(cross_talk.factor)[k, index] == 0.0).all()
        assert (np.abs(np.asarray(cross_talk.factor)[1 - k, index]) > 0.0).any()


def test_a_second_recording_reduces_the_uncertainty(cross_talk, sources):
    model, rows = model_of("mlp"), jnp.asarray(sources)
    covariance = covariance_of(model, None)
    both = nonlinear_cross_talk([model] * 2, [rows] * 2, [covariance] * 2, [NOISE] * 2)
    determinant = [np.linalg.slogdet(_covariance(one))[1] for one in (both, cross_talk)]
    assert determinant[0] < determinant[1]


def _covariance(cross_talk):
    """Of the free coefficients, without the last column, the step to the optimum."""
    rows = np.asarray(cross_talk.factor).reshape(-1, cross_talk.factor.shape[2])[:, :-1]
    free = (rows != 0.0).any(axis=1)
    return (rows @ rows.T)[np.ix_(free, free)]
