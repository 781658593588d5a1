from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from stradiff.model import Start

MEAN, SIGMA = np.array([0.0, 1.2, -0.7, 0.1]), np.array([1.0, 0.02, 0.5, 2.5])


@pytest.fixture
def start():
    return Start(jnp.asarray(MEAN), jnp.log(jnp.asarray(SIGMA)))


def draws_of(start, n_draws):
    return np.asarray(jax.vmap(start.sample)(jax.random.split(jax.random.key(0), n_draws)))


def test_noise_moves_the_mean_by_sigma(start):
    noise = np.array([1.0, -1.0, 0.0, 2.0])
    np.testing.assert_allclose(start.at(jnp.asarray(noise)), MEAN + SIGMA * noise, rtol=1e-12)


def test_draws_have_the_moments_of_q(start):
    """Five standard errors: sigma / sqrt(R) of a mean, sigma / sqrt(2 R) of a standard deviation."""
    n_draws = 20_000
    z = draws_of(start, n_draws)
    assert (np.abs(z.mean(axis=0) - MEAN) < 5 * SIGMA / np.sqrt(n_draws)).all()
    assert (np.abs(z.std(axis=0) - SIGMA) < 5 * SIGMA / np.sqrt(2 * n_draws)).all()
    correlation = np.corrcoef(z.T) - np.eye(4)
    assert np.abs(correlation).max() < 5 / np.sqrt(n_draws)


def test_kl_is_the_closed_form_of_each_sample(start):
    expected = sum(0.5 * (m**2 + s**2 - 1 - 2 * np.log(s)) for m, s in zip(MEAN, SIGMA, strict=True))
    np.testing.assert_allclose(start.kl(), expected, rtol=1e-12)


def test_kl_is_the_mean_log_ratio_of_the_densities(start):
    z = draws_of(start, 20_000)
    log_ratio = (norm(MEAN, SIGMA).logpdf(z) - norm(0, 1).logpdf(z)).sum(axis=1)
    standard_error = log_ratio.std() / np.sqrt(len(z))
    assert abs(float(start.kl()) - log_ratio.mean()) < 5 * standard_error


def test_kl_vanishes_at_the_standard_normal_only(start):
    assert Start(jnp.zeros(4), jnp.zeros(4)).kl() == 0
    assert start.kl() > 0
