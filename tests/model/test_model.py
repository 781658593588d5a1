"""The complete model: permutation of sources, standardisation, and consistency of its components."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from random_models import random_double_model, random_noise
from short import changed, configuration

from stradiff.model import Branch, Model
from stradiff.model.diffusion.networks import Dense
from stradiff.model.mixing import MLP
from stradiff.model.model import standardised
from stradiff.train.objective import terms

T, N, M = 16, 3, 4
ORDER = np.array([2, 0, 1])
LINEAR = configuration(n_sources=N, n_steps=3, network=Dense(width=4), lambda_volume=1.0, nu_y=0.2)
SETTINGS = {
    "linear": LINEAR,
    "standardised-mlp": changed(LINEAR, mixing=MLP(width=5, linear_path=True, output_scale=1.0), standardise=True),
}
every_model = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)


def permuted(model: Model) -> Model:
    """The same model with its sources in another order."""
    model = eqx.tree_at(lambda m: (m.branches, m.priors), model, replace_fn=lambda tree: jax.tree.map(_in_order, tree))
    model = eqx.tree_at(lambda m: m.mixing.matrix, model, model.mixing.matrix[:, ORDER])
    if hasattr(model.mixing, "weights"):
        model = eqx.tree_at(lambda m: m.mixing.weights[0], model, model.mixing.weights[0][:, ORDER])
    return model


def _in_order(leaf):
    return leaf[ORDER]


@every_model
def test_permuted_sources_permute_the_results(settings):
    model, noise = random_double_model(settings, T, M), random_noise(settings, T)
    observed = jnp.asarray(np.random.default_rng(5).standard_normal((T, M)))
    permuted_noise = noise._replace(start=noise.start[ORDER], tau=noise.tau[ORDER], diffusion=noise.diffusion[ORDER])

    @eqx.filter_jit
    def evaluate(model, noise):
        sources = model.at(noise.start)
        every, mse = terms(model, observed, None, noise, settings.objective)
        return sources, model.mix(sources), every, mse

    (sources, mixed, every, mse), (permuted_sources, *others) = (
        evaluate(model, noise),
        evaluate(permuted(model), permuted_noise),
    )
    np.testing.assert_allclose(permuted_sources, sources[ORDER], rtol=1e-10)
    for actual, expected in zip(jax.tree.leaves(others), jax.tree.leaves([mixed, every, mse]), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-9)


@every_model
def test_components_are_consistent(settings):
    model, noise = random_double_model(settings, T, M), random_noise(settings, T).start
    paths = model.paths(noise)
    assert paths.shape == (N, settings.diffusion.n_steps + 1, T)
    sources = model.at(noise)
    ends = np.asarray(paths[:, -1])
    if settings.objective.standardise:
        ends = (ends - ends.mean(axis=1, keepdims=True)) / ends.std(axis=1, keepdims=True)
    np.testing.assert_allclose(sources, ends, rtol=1e-6, atol=1e-9)
    for k in range(N):
        alone = jax.tree.map(lambda leaf, k=k: leaf[k], model.branches)
        np.testing.assert_allclose(Branch.path(alone, noise[k]), paths[k], rtol=1e-9)
    mixed = model.mix(sources)
    assert mixed.shape == (T, M)
    np.testing.assert_allclose(mixed[7], model.mixing(sources[:, 7]), rtol=1e-9)
    assert (model.n_sources, model.n_samples) == (N, T)


def test_the_log_prior_is_the_sum_over_sources():
    model = random_double_model(LINEAR, T, M)
    sources = model.at(random_noise(LINEAR, T).start)
    alone = [model.priors.prior(k).log_prob(sources[k], None) for k in range(N)]
    np.testing.assert_allclose(model.log_prior(sources, None), sum(alone), rtol=1e-10)
    each = model.priors.per_source(lambda prior, source: prior.log_prob(source, None), sources)
    np.testing.assert_allclose(each, jnp.stack(alone), rtol=1e-10)


def test_samples_are_sources_at_independent_starts():
    """With R draws a correlation between two starts stays below 5 / sqrt(R)."""
    model = random_double_model(changed(LINEAR, output_scale=0.0), T, M)
    silent = eqx.tree_at(lambda m: m.branches.network, model, replace_fn=lambda n: jax.tree.map(jnp.zeros_like, n))
    n_draws = 3000
    draws = np.asarray(jax.jit(jax.vmap(silent.sample))(jax.random.split(jax.random.key(0), n_draws)))
    assert draws.shape == (n_draws, N, T)
    correlation = np.corrcoef(draws.reshape(n_draws, -1).T)
    assert np.abs(correlation - np.eye(N * T)).max() < 5 / np.sqrt(n_draws)


def test_standardised_sources():
    rows = np.random.default_rng(0).standard_normal((3, 50)) * [[1e-3], [1.0], [1e3]] + [[5.0], [0.0], [-2.0]]
    result = np.asarray(standardised(jnp.asarray(rows)))
    np.testing.assert_allclose(result.mean(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(result.std(axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(standardised(jnp.asarray(7.0 * rows + 3.0)), result, rtol=1e-6)


def test_a_constant_source_stays_finite():
    flat = jnp.zeros((1, 50))
    value, gradient = jax.value_and_grad(lambda rows: jnp.sum(standardised(rows) ** 3))(flat)
    assert value == 0 and np.isfinite(gradient).all()
