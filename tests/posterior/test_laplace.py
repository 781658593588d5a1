"""Laplace's posterior against the dense Gaussian posterior, and the coverage of its bands."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from laplace_models import JITTER, MATRIX, NU, SCALES, T, model_of
from scipy.signal import lfilter
from scipy.stats import norm

from stradiff.model.priors import PriorSet
from stradiff.model.priors.driven_autoregression import DrivenAutoregressivePrior
from stradiff.model.priors.innovations import Student
from stradiff.posterior import laplace, linearisation
from stradiff.posterior.covariance import covariance_of, second_moments_of
from stradiff.posterior.cross_talk import CrossTalk
from stradiff.posterior.linearisation import linearise, system_of
from stradiff.posterior.mode import Observations, find_mode

IRREGULAR = np.sort(np.r_[0.0, np.random.default_rng(0).random(T - 2), 1.0])


def whole(times=None, mask=None):
    """Prior covariance, map and posterior covariance as matrices over all sources, one after the other."""
    grid = np.arange(T) if times is None else times * (T - 1)
    distance = np.abs(grid[:, None] - grid)
    prior = np.zeros((2 * T, 2 * T))
    for k, scale in enumerate(SCALES):
        block = slice(k * T, (k + 1) * T)
        prior[block, block] = np.exp(-0.5 * (distance / scale) ** 2) + JITTER * np.eye(T)
    mixing = np.kron(MATRIX, np.eye(T))  # channels one after the other
    if mask is not None:
        mixing = mixing * mask.T.reshape(-1, 1)
    precision = np.linalg.inv(prior) + mixing.T @ mixing / NU
    return prior, mixing, np.linalg.inv(precision)


def simulated(times=None, seed=0):
    prior, mixing, _ = whole(times)
    rng = np.random.default_rng(seed)
    sources = np.linalg.cholesky(prior) @ rng.standard_normal(2 * T)
    observed = mixing @ sources + np.sqrt(NU) * rng.standard_normal(3 * T)
    return sources.reshape(2, T), observed.reshape(3, T).T


def observations_of(model, observed, mask=None, times=None):
    mask, times = (None if values is None else jnp.asarray(values) for values in (mask, times))
    return Observations(jnp.asarray(observed), mask, times, covariance_of(model, times), jnp.float64(NU))


def some_seen():
    mask = np.ones((T, 3))
    mask[20:35] = 0.0  # a gap
    mask[::7, 1] = 0.0  # and single values
    return mask


CASES = {
    "all": (None, None),
    "gaps, factorised": (None, some_seen()),
    "gaps, by conjugate gradients": (None, some_seen()),  # as in long records
    "irregular": (IRREGULAR, None),
}


@pytest.fixture(params=CASES)
def case(request, monkeypatch):
    """Times and mask; the solver is chosen while compiling."""
    by_gradients = "gradients" in request.param
    if by_gradients:
        monkeypatch.setattr(linearisation, "LARGEST_FACTOR", 0)
        jax.clear_caches()
    yield CASES[request.param]
    if by_gradients:
        jax.clear_caches()


def test_mode_and_draws_of_a_linear_map_are_those_of_the_dense_posterior(case):
    times, mask = case
    _, observed = simulated(times)
    _, mixing, covariance = whole(times, mask)
    model, observations = model_of(), observations_of(model_of(), observed, mask, times)
    mode = find_mode(model, jnp.zeros((2, T)), observations)
    expected = covariance @ mixing.T @ observed.T.reshape(-1) / NU
    np.testing.assert_allclose(np.asarray(mode).reshape(-1), expected, atol=2e-5)

    linearised = linearise(model, jnp.zeros((2, T)), jnp.zeros((T, 3)), observations.mask)
    system = system_of(linearised, observations.covariance, jnp.float64(NU))
    n_draws = 2000
    keys = jax.random.split(jax.random.key(0), n_draws)
    errors = np.asarray(eqx.filter_jit(jax.vmap(lambda key: laplace.draw_error(system, key)))(keys))
    flat = errors.reshape(n_draws, -1)
    estimate, spread = flat.T @ flat / n_draws, np.sqrt(np.diag(covariance))
    error = (estimate - covariance) / np.outer(spread, spread)
    assert np.abs(error).max() < 5.5 * np.sqrt(2 / n_draws), "five and a half standard errors, of 7,000 entries"


def test_the_noise_variance_is_estimated():
    """Within four standard errors of a variance; a third of the values is noise alone."""
    model, ratio = model_of(), []
    for seed in range(4):
        _, observed = simulated(seed=seed)
        linearised = linearise(model, jnp.zeros((2, T)), jnp.asarray(observed), None)
        ratio.append(laplace.fit_noise_variance((linearised, covariance_of(model, None)))[0] / NU)
    assert abs(np.mean(ratio) - 1.0) < 4 * np.sqrt(2 / (4 * T))


def test_the_noise_beside_bursts_is_estimated_by_second_moments():
    """With the inverse Fisher information in their place, part of the sources' power would count as noise."""
    n_samples, decay, burst = 2000, 0.9, Student(0.3, freedom=2.6)
    priors = [DrivenAutoregressivePrior(burst, 1, n_samples) for _ in range(2)]
    priors = [eqx.tree_at(lambda one: one.free, one, jnp.arctanh(jnp.full(1, decay, jnp.float32))) for one in priors]
    model = eqx.tree_at(lambda m: m.priors, model_of(n_samples=n_samples), PriorSet.of(priors, ("ar_student",) * 2))
    estimates = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        sources = lfilter([1.0], [1.0, -decay], float(burst.scale) * rng.standard_t(2.6, (2, n_samples)), axis=1)
        observed = sources.T @ MATRIX.T + np.sqrt(NU) * rng.standard_normal((n_samples, 3))
        linearised = linearise(model, jnp.zeros((2, n_samples)), jnp.asarray(observed), None)
        covariances = second_moments_of(model, None), covariance_of(model, None)
        estimates.append([laplace.fit_noise_variance((linearised, covariance))[0] for covariance in covariances])
    by_moments, by_information = np.mean(estimates, axis=0) / NU
    assert 0.85 < by_moments < 1.15 and abs(by_information - 1.0) > 3 * abs(by_moments - 1.0)


def test_second_moments_of_gaussian_priors_are_their_covariance():
    covariances = (jax.tree.leaves(function(model_of(), None)) for function in (covariance_of, second_moments_of))
    for one, other in zip(*covariances, strict=True):
        np.testing.assert_array_equal(one, other)


def test_bands_have_their_nominal_coverage_of_sources_of_the_model():
    """At a known map; the standard error is taken over recordings."""
    model = model_of()
    covariance = covariance_of(model, None)
    inside = {0.5: [], 0.8: [], 0.95: []}
    keys = jax.random.split(jax.random.key(1), 200)
    linearised = linearise(model, jnp.zeros((2, T)), jnp.zeros((T, 3)), None)
    system = system_of(linearised, covariance, jnp.float64(NU))
    spread = np.sqrt(laplace.error_variance(system, keys))
    for seed in range(40):
        sources, observed = simulated(seed=seed)
        mode = find_mode(model, jnp.zeros((2, T)), observations_of(model, observed))
        score = np.abs(np.asarray(mode) - sources) / spread
        for level, hits in inside.items():
            hits.append(np.mean(score < norm.ppf(0.5 + level / 2)))
    for level, hits in inside.items():
        assert abs(np.mean(hits) - level) < 4 * np.std(hits) / np.sqrt(len(hits)) + 0.01


def test_the_mode_of_a_nonlinear_map_is_never_worse_than_its_start():
    model = model_of("mlp")
    rng = np.random.default_rng(0)
    sources = jnp.asarray(rng.standard_normal((2, T)))
    observed = model.mix(sources) + 0.1 * jnp.asarray(rng.standard_normal((T, 3)))

    def cost(rows):
        return float(0.5 * jnp.sum((observed - model.mix(rows)) ** 2) / NU - model.log_prior(rows, None))

    far = 3.0 * jnp.asarray(rng.standard_normal((2, T)))
    observations = observations_of(model, observed)
    mode = find_mode(model, far, observations)
    assert cost(mode) < cost(far)
    again = find_mode(model, mode, observations)
    assert cost(again) <= cost(mode) + 1e-9


def test_cross_talk_coefficients_have_their_covariance():
    rng = np.random.default_rng(0)
    factor = rng.standard_normal((3, 3, 2, 2))
    covariance = factor @ np.swapaxes(factor, 2, 3)
    covariance[np.arange(3), np.arange(3)] = 0.0
    keys = jax.random.split(jax.random.key(0), 4000)
    drawn = np.asarray(jax.vmap(CrossTalk(jnp.asarray(covariance)).coefficients)(keys))
    assert (drawn[:, np.arange(3), np.arange(3)] == 0).all()
    for k, j in ((0, 1), (0, 2), (1, 2)):
        pair = np.stack([drawn[:, k, j], drawn[:, j, k]])
        scale = np.sqrt(np.diag(covariance[k, j]))
        error = (np.cov(pair) - covariance[k, j]) / np.outer(scale, scale)
        assert np.abs(error).max() < 5 * np.sqrt(2 / 4000)
