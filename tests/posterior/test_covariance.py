"""The covariance of Matern priors at irregular times, in O(T), against dense matrices."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from random_models import random_double_model
from short import changed, configuration

from stradiff.config import Dense
from stradiff.model import numerics
from stradiff.posterior.covariance import DenseCovariance, QuasiSeparableCovariance, covariance_of
from stradiff.posterior.memory import memory_estimate

T = 80
TIMES = np.sort(np.r_[0.0, np.random.default_rng(0).random(T - 2), 1.0])
PRIORS = ("matern12", "matern52", "matern12")
CONFIG = configuration(n_sources=3, prior=PRIORS, network=Dense(width=2), n_steps=1, length_scale=0.05)


@pytest.fixture(autouse=True)
def _double_precision():
    with numerics():
        yield


@pytest.fixture
def quasi_separable():
    return covariance_of(random_double_model(CONFIG, T, 3), jnp.asarray(TIMES))


@pytest.fixture
def dense():
    config = changed(CONFIG, prior=PRIORS, solver="dense")
    return covariance_of(random_double_model(config, T, 3), jnp.asarray(TIMES))


def test_products_are_those_of_dense_matrices(quasi_separable, dense):
    assert isinstance(quasi_separable, QuasiSeparableCovariance) and isinstance(dense, DenseCovariance)
    rng = np.random.default_rng(1)
    rows, noise = jnp.asarray(rng.standard_normal((4, T))), jnp.asarray([0.1, 0.0, 2.0])
    np.testing.assert_allclose(quasi_separable.matrices(T), dense.matrices(T), rtol=0, atol=1e-12)
    np.testing.assert_allclose(quasi_separable.apply(rows[:3]), dense.apply(rows[:3]), rtol=0, atol=1e-11)
    np.testing.assert_allclose(quasi_separable.products(noise, rows), dense.products(noise, rows), rtol=1e-8)
    np.testing.assert_array_equal(quasi_separable.record_power, dense.record_power)


def test_draws_are_those_of_dense_matrices(quasi_separable, dense):
    """The factor of a positive definite matrix is unique."""
    key = jax.random.key(3)
    np.testing.assert_allclose(quasi_separable.sample(key, T), dense.sample(key, T), rtol=0, atol=1e-10)


def test_its_size_is_linear_in_the_samples(quasi_separable):
    assert sum(leaf.size for leaf in jax.tree.leaves(quasi_separable.groups)) <= 16 * 3 * T


def test_one_prior_without_a_state_space_form_makes_all_dense():
    config = changed(CONFIG, prior=("matern12", "rbf", "matern12"))
    assert isinstance(covariance_of(random_double_model(config, T, 3), jnp.asarray(TIMES)), DenseCovariance)


def test_memory_of_irregular_times_is_linear_in_the_samples():
    def needed(prior):
        return memory_estimate(100_000, 3, configuration(n_sources=3, prior=prior), regular=False)

    assert needed("matern32") < 4e9 < 1e11 < needed("rbf")
