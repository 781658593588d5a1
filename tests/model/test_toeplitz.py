"""Toeplitz systems in O(T log^2 T) against the Cholesky factorisation of the whole matrix."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.linalg import toeplitz as toeplitz_matrix

from stradiff.model.priors import schur, toeplitz

LEAF = schur.LEAF
MEMORIES = {
    "none": lambda lag, T: np.where(lag == 0, 1.0, 0.0),
    "an autoregression": lambda lag, T: 0.9**lag * np.cos(0.7 * lag),
    "smooth, short": lambda lag, T: np.exp(-0.5 * (lag / 5) ** 2),
    "smooth, as long as the record": lambda lag, T: np.exp(-0.5 * (lag / T) ** 2),
    "a waveform that hardly fades": lambda lag, T: np.exp(-0.5 * (lag / T) ** 2 + 4 * (np.cos(0.31 * lag) - 1)),
    "a sum with one that never fades": lambda lag, T: 0.5 * np.exp(np.cos(0.31 * lag) - 1) + 0.5 * 0.8**lag,
}


def autocovariance(memory, n_samples, noise=1e-3):
    values = MEMORIES[memory](np.arange(n_samples), n_samples)
    return jnp.asarray(values + noise * (np.arange(n_samples) == 0))


@pytest.mark.parametrize("n_samples", [1, 2, 3, LEAF - 1, LEAF, LEAF + 1, 4 * LEAF, 5 * LEAF + 3])
@pytest.mark.parametrize("memory", MEMORIES)
def test_determinant_and_inverse_are_those_of_the_matrix(memory, n_samples):
    values = autocovariance(memory, n_samples)
    matrix = np.asarray(toeplitz_matrix(values))
    log_det, column = jax.jit(schur.log_det_and_first_column)(values)
    np.testing.assert_allclose(log_det, np.linalg.slogdet(matrix)[1], rtol=1e-10, atol=1e-10)
    wanted = np.linalg.inv(matrix)[:, 0]
    np.testing.assert_allclose(column, wanted, rtol=0, atol=1e-8 * np.abs(wanted).max())


@jax.jit
@partial(jax.value_and_grad, argnums=(0, 1))
def dense(source, values):
    matrix = toeplitz_matrix(values)
    return jnp.linalg.slogdet(matrix)[1] - 0.3 * source @ jnp.linalg.solve(matrix, source)


@jax.jit
@partial(jax.value_and_grad, argnums=(0, 1))
def quick(source, values):
    log_det, quadratic = toeplitz.log_det_and_quadratic(source, values)
    return log_det - 0.3 * quadratic


@pytest.mark.parametrize("n_samples", [2, 3, 50, 3 * LEAF + 1])
@pytest.mark.parametrize("memory", MEMORIES)
def test_value_and_gradients_are_those_of_the_factorisation(memory, n_samples):
    """The gradient in the autocovariance is that in the two diagonals where each value stands."""
    at = jnp.asarray(np.random.default_rng(0).standard_normal(n_samples)), autocovariance(memory, n_samples)
    (value, gradients), (expected_value, expected_gradients) = quick(*at), dense(*at)
    np.testing.assert_allclose(value, expected_value, rtol=1e-9)
    for got, expected in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-8 * np.abs(expected).max())


def test_nothing_of_the_size_of_the_matrix_is_held():
    n_samples = 20_000
    values = jax.ShapeDtypeStruct((n_samples,), jnp.float64)
    compiled = jax.jit(jax.value_and_grad(lambda s, r: sum(toeplitz.log_det_and_quadratic(s, r)), (0, 1)))
    needed = compiled.lower(values, values).compile().memory_analysis().temp_size_in_bytes
    assert needed < 100 * 8 * n_samples
