"""The likeliest mixture of the sources against the whole Gaussian written out, and against a mixture put there."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from random_models import random_double_model
from scipy.stats import multivariate_normal

from stradiff.config import Settings
from stradiff.posterior import mixing_uncertainty as mixture
from stradiff.posterior.covariance import covariance_of
from stradiff.posterior.mixing_uncertainty import (
    Evidence,
    cross_talk_about,
    likeliest_mixture,
    noise_about,
    remaining_cross_talk,
)
from stradiff.posterior.nonlinear_cross_talk import nonlinear_cross_talk
from stradiff.posterior.tangent import Tangent, tangent_at

T, NU, JITTER = 400, 0.02, 1e-2
SCALES = np.array([2.0, 8.0])  # samples
MATRIX = np.array([[1.0, 0.4], [-0.3, 0.8], [0.2, 0.5]])
LEAKS = np.array([[1.0, -0.3], [0.2, 1.0]])


def model_of(matrix):
    settings = Settings(n_sources=2, network_width=2, n_diffusion_steps=1)
    model = random_double_model(settings, T, 3)
    (priors,) = model.priors.groups
    values = (np.log(SCALES / (T - 1)), np.zeros(2), np.full(2, np.log(JITTER)))
    priors = eqx.tree_at(
        lambda p: (p.log_length_scale, p.log_sigma_f, p.log_jitter), priors, tuple(map(jnp.asarray, values))
    )
    return eqx.tree_at(lambda m: (m.priors.groups, m.mixing.matrix), model, ((priors,), jnp.asarray(matrix)))


def covariances():
    distance = np.subtract.outer(np.arange(T), np.arange(T))
    return [np.exp(-0.5 * (distance / scale) ** 2) + JITTER * np.eye(T) for scale in SCALES]


@pytest.fixture(scope="module")
def recording():
    rng = np.random.default_rng(0)
    sources = np.stack([np.linalg.cholesky(K) @ rng.standard_normal(T) for K in covariances()])
    return sources, (MATRIX @ sources).T + np.sqrt(NU) * rng.standard_normal((T, 3))


def evidence_of(model, observed):
    return Evidence(jnp.asarray(observed), None, None, covariance_of(model, None), jnp.float64(NU))


def at(matrix, observed):
    model = model_of(MATRIX @ matrix)
    return mixture._at(model, matrix, jnp.zeros((2, T)), evidence_of(model, observed))


def test_the_cost_is_less_the_logarithm_of_the_marginal_likelihood(recording):
    """Differences, as constants are left out; the determinant in the mean over frequencies has ends to be off by."""
    _, observed = recording

    def exact(matrix):
        mixed = MATRIX @ matrix
        whole = sum(np.kron(np.outer(column, column), K) for column, K in zip(mixed.T, covariances(), strict=True))
        density = multivariate_normal(cov=whole + NU * np.eye(3 * T))
        return -density.logpdf(observed.T.reshape(-1)) + 0.5 * np.sum((matrix - np.eye(2)) ** 2)

    other = np.array([[1.0, 0.1], [-0.1, 1.0]])
    difference = at(other, observed).cost - at(np.eye(2), observed).cost
    assert difference == pytest.approx(exact(other) - exact(np.eye(2)), abs=0.5)
    assert difference > 10


def test_the_slope_is_that_of_the_cost(recording):
    _, observed = recording
    here, step = at(LEAKS, observed), 1e-4
    for k, j in ((0, 0), (0, 1), (1, 0)):
        unit = np.zeros((2, 2))
        unit[k, j] = step
        rise = at(LEAKS @ (np.eye(2) + unit), observed).cost - at(LEAKS @ (np.eye(2) - unit), observed).cost
        assert here.slope[k, j] == pytest.approx(rise / (2 * step), rel=1e-3, abs=0.05)


def test_a_mixture_put_there_is_undone(recording):
    _, observed = recording
    wrong = model_of(MATRIX @ LEAKS)
    evidence = evidence_of(wrong, observed)
    found = likeliest_mixture(wrong, jnp.zeros((2, T)), evidence)
    undone = LEAKS @ found.matrix
    undone /= np.diag(undone)  # scales are no matter of leaks
    deviation = np.sqrt(found.cross_talk[[0, 1], [1, 0], 0, 0])
    assert (np.abs(undone[[0, 1], [1, 0]]) < 3 * deviation).all()
    assert deviation.max() < 0.1


def test_what_is_likelier_counts_as_not_known(recording):
    _, observed = recording
    for matrix, leaks in ((MATRIX, np.eye(2)), (MATRIX @ LEAKS, LEAKS)):
        model = model_of(matrix)
        evidence = evidence_of(model, observed)
        mode = evidence.mode(model, jnp.zeros((2, T)))
        about = tangent_at(model, mode, evidence.observed, None)
        known = cross_talk_about(about, evidence.covariance, NU)[:, :, 0, 0]
        left = np.asarray(remaining_cross_talk(model, mode, evidence).moments)
        added = left[:, :, 0, 0] - known
        assert np.diag(left[:, :, 0, 0]).tolist() == [0, 0]
        if leaks is LEAKS:
            np.testing.assert_allclose(np.sqrt(added[[0, 1], [1, 0]]), [0.3, 0.2], atol=0.1)
        else:
            assert (added[[0, 1], [1, 0]] < 9 * known[[0, 1], [1, 0]]).all()
        np.testing.assert_allclose(left[0, 1][::-1, ::-1], left[1, 0], rtol=1e-12)


def test_a_bent_map_counts_functions_of_sources_at_the_noise_on_each():
    settings = Settings(n_sources=2, mixing="mlp", network_width=2, n_diffusion_steps=1, mixing_width=4)
    model = random_double_model(settings, T, 3)
    sources = jax.random.normal(jax.random.key(0), (2, T))
    evidence = evidence_of(model, model.mix(sources))
    noise = noise_about(tangent_at(model, sources, evidence.observed, None), evidence.covariance, NU)
    expected = nonlinear_cross_talk([model], [sources], [evidence.covariance], [noise])
    np.testing.assert_array_equal(remaining_cross_talk(model, sources, evidence).factor, expected.factor)


def tangent_of(gram):
    """About any point of a map with this J'J ``(n, n, T)``."""
    zero = jnp.zeros(())
    return Tangent(jnp.asarray(gram), jnp.moveaxis(jnp.asarray(gram), 2, 0), jnp.zeros((2, T)), zero, zero, False)


def test_noise_of_a_straight_map_is_that_of_least_squares(recording):
    gram = MATRIX.T @ MATRIX
    noise = noise_about(tangent_of(np.repeat(gram[:, :, None], T, 2)), covariance_of(model_of(MATRIX), None), NU)
    np.testing.assert_allclose(noise, NU * np.diag(np.linalg.inv(gram)), rtol=1e-9)


def test_an_instant_at_which_a_source_is_hardly_seen_says_little_of_the_others():
    """A mean of the noise over time would be a hundred times the variance of the source."""
    gram = np.repeat(np.eye(2)[:, :, None], T, 2)
    gram[0, 0, T // 2] = NU / (100 * T)
    noise = noise_about(tangent_of(gram), covariance_of(model_of(MATRIX), None), NU)
    np.testing.assert_allclose(noise, NU, rtol=0.2)


@pytest.mark.filterwarnings("error")
def test_a_source_that_no_channel_shows_is_not_known():
    gram = np.repeat(np.diag([1.0, 0.0])[:, :, None], T, 2)
    covariance = covariance_of(model_of(MATRIX), None)
    assert (noise_about(tangent_of(gram), covariance, NU) > 1e9).all()
    cross_talk = cross_talk_about(tangent_of(gram), covariance, NU)
    np.testing.assert_allclose(cross_talk[[0, 1], [1, 0], 0, 0], 1.0, atol=1e-3)
