"""The maximum-likelihood mixing against the dense Gaussian likelihood, and against known cross-talk."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from random_models import random_double_model
from scipy.linalg import solve_triangular
from short import configuration

from stradiff.config import Dense
from stradiff.model.mixing import MLP
from stradiff.posterior import mixing_uncertainty
from stradiff.posterior.covariance import covariance_of
from stradiff.posterior.linearisation import Linearisation, linearise
from stradiff.posterior.mixing_uncertainty import (
    cross_talk_bound,
    estimate_mixing,
    residual_cross_talk,
    source_noise,
)
from stradiff.posterior.mode import Observations, find_mode
from stradiff.posterior.nonlinear_cross_talk import nonlinear_cross_talk

T, NU, JITTER = 400, 0.02, 1e-2
SCALES = np.array([2.0, 8.0])  # samples
MATRIX = np.array([[1.0, 0.4], [-0.3, 0.8], [0.2, 0.5]])
CONFIG = configuration(n_sources=2, network=Dense(width=2), n_steps=1)
CROSS_TALK = np.array([[1.0, -0.3], [0.2, 1.0]])


def model_of(matrix):
    model = random_double_model(CONFIG, T, 3)
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


def observations_of(model, observed):
    return Observations(jnp.asarray(observed), None, None, covariance_of(model, None), jnp.float64(NU))


def evaluate(matrix, observed):
    model = model_of(MATRIX @ matrix)
    return mixing_uncertainty._evaluate(model, matrix, jnp.zeros((2, T)), observations_of(model, observed))


def test_the_cost_is_the_negative_log_marginal_likelihood(recording):
    """Differences, as constants are left out; the mean over frequencies ignores the ends of the record."""
    _, observed = recording

    def exact(matrix):
        mixed = MATRIX @ matrix
        whole = sum(np.kron(np.outer(column, column), K) for column, K in zip(mixed.T, covariances(), strict=True))
        factor = np.linalg.cholesky(whole + NU * np.eye(3 * T))
        white = solve_triangular(factor, observed.T.reshape(-1), lower=True)
        return np.sum(np.log(np.diag(factor))) + 0.5 * white @ white + 0.5 * np.sum((matrix - np.eye(2)) ** 2)

    other = np.array([[1.0, 0.1], [-0.1, 1.0]])
    difference = evaluate(other, observed).cost - evaluate(np.eye(2), observed).cost
    assert difference == pytest.approx(exact(other) - exact(np.eye(2)), abs=0.5)
    assert difference > 10


def test_the_slope_is_that_of_the_cost(recording):
    _, observed = recording
    estimate, step = evaluate(CROSS_TALK, observed), 1e-4
    for k, j in ((0, 0), (0, 1), (1, 0)):
        unit = np.zeros((2, 2))
        unit[k, j] = step
        above, below = (evaluate(CROSS_TALK @ (np.eye(2) + sign * unit), observed).cost for sign in (1, -1))
        rise = above - below
        assert estimate.slope[k, j] == pytest.approx(rise / (2 * step), rel=1e-3, abs=0.05)


def test_known_cross_talk_is_undone(recording):
    _, observed = recording
    wrong = model_of(MATRIX @ CROSS_TALK)
    estimate = estimate_mixing(wrong, jnp.zeros((2, T)), observations_of(wrong, observed))
    undone = CROSS_TALK @ estimate.matrix
    undone /= np.diag(undone)  # scales are not identified
    deviation = np.sqrt(estimate.cross_talk[[0, 1], [1, 0], 0, 0])
    assert (np.abs(undone[[0, 1], [1, 0]]) < 3 * deviation).all()
    assert deviation.max() < 0.1


def test_the_distance_from_the_optimum_counts_as_uncertainty(recording):
    _, observed = recording
    for matrix, cross_talk in ((MATRIX, np.eye(2)), (MATRIX @ CROSS_TALK, CROSS_TALK)):
        model = model_of(matrix)
        observations = observations_of(model, observed)
        mode = find_mode(model, jnp.zeros((2, T)), observations)
        linearised = linearise(model, mode, observations.observed, None)
        bound = cross_talk_bound(linearised, observations.covariance, NU)[:, :, 0, 0]
        moments = np.asarray(residual_cross_talk([model], [mode], [observations]).moments)
        added = moments[:, :, 0, 0] - bound
        assert np.diag(moments[:, :, 0, 0]).tolist() == [0, 0]
        if cross_talk is CROSS_TALK:
            np.testing.assert_allclose(np.sqrt(added[[0, 1], [1, 0]]), [0.3, 0.2], atol=0.1)
        else:
            assert (added[[0, 1], [1, 0]] < 9 * bound[[0, 1], [1, 0]]).all()
        np.testing.assert_allclose(moments[0, 1][::-1, ::-1], moments[1, 0], rtol=1e-12)


def test_nonlinear_cross_talk_takes_the_noise_on_each_source():
    model = random_double_model(CONFIG.replace(mixing=MLP(width=4)), T, 3)
    sources = jax.random.normal(jax.random.key(0), (2, T))
    observations = observations_of(model, model.mix(sources))
    noise = source_noise(linearise(model, sources, observations.observed, None), observations.covariance, NU)
    expected = nonlinear_cross_talk([model], [sources], [observations.covariance], [noise])
    actual = residual_cross_talk([model], [sources], [observations])
    np.testing.assert_array_equal(actual.factor, expected.factor)


def linearisation_of(gram):
    """Of a map with this J'J ``(n, n, T)``."""
    zero = jnp.zeros(())
    return Linearisation(jnp.asarray(gram), jnp.moveaxis(jnp.asarray(gram), 2, 0), jnp.zeros((2, T)), zero, zero, False)


def test_noise_under_linear_mixing_is_that_of_least_squares(recording):
    gram = MATRIX.T @ MATRIX
    noise = source_noise(linearisation_of(np.repeat(gram[:, :, None], T, 2)), covariance_of(model_of(MATRIX), None), NU)
    np.testing.assert_allclose(noise, NU * np.diag(np.linalg.inv(gram)), rtol=1e-9)


def test_an_instant_at_which_a_source_is_hardly_seen_has_little_weight():
    """A mean of the noise over time would be a hundred times the variance of the source."""
    gram = np.repeat(np.eye(2)[:, :, None], T, 2)
    gram[0, 0, T // 2] = NU / (100 * T)
    noise = source_noise(linearisation_of(gram), covariance_of(model_of(MATRIX), None), NU)
    np.testing.assert_allclose(noise, NU, rtol=0.2)


@pytest.mark.filterwarnings("error")
def test_a_source_in_no_channel_has_unbounded_noise():
    gram = np.repeat(np.diag([1.0, 0.0])[:, :, None], T, 2)
    covariance = covariance_of(model_of(MATRIX), None)
    assert (source_noise(linearisation_of(gram), covariance, NU) > 1e9).all()
    cross_talk = cross_talk_bound(linearisation_of(gram), covariance, NU)
    np.testing.assert_allclose(cross_talk[[0, 1], [1, 0], 0, 0], 1.0, atol=1e-3)
