"""Branches with a network of their own, with one shared, and without any; starts with and without noise."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quick_compile import quick_compile
from random_models import random_double_model, random_noise
from short import changed, configuration

from stradiff.config import Dense
from stradiff.model import Branch
from stradiff.train.objective import start_kl, terms

T, N, M = 16, 3, 4
OWN = configuration(n_sources=N, n_steps=3, network=Dense(width=4), lambda_volume=1.0, nu_y=0.2)
SHARED, NONE = changed(OWN, shared=True), changed(OWN, network="none")
OBSERVED = np.random.default_rng(5).standard_normal((T, M))


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compile():
        yield


@eqx.filter_jit
def evaluated(model, noise):
    """Sources, paths, terms and error, with the gradient of a function of the sources in the networks."""
    every, mse = terms(model, jnp.asarray(OBSERVED), None, noise, OWN.objective)
    slope = jax.grad(lambda m: jnp.sum(m.at(noise.start) ** 3))(model).branches.network
    return (model.at(noise.start), model.paths(noise.start), every, mse), slope


def starts(model, noise):
    """mu + sigma noise of every source."""
    return np.asarray(model.branches.start.mean) + np.exp(model.branches.start.log_sigma) * noise


def test_a_shared_network_is_the_same_everywhere_and_learns_from_every_source():
    """Its gradient is the sum of those of its copies."""
    shared, noise = random_double_model(SHARED, T, M), random_noise(OWN, T)
    networks = jax.tree.map(lambda leaf: jnp.stack([leaf] * N), shared.branches.network)
    copies = Branch(shared.branches.start, networks, OWN.diffusion.noise_levels)
    values, slope = evaluated(shared, noise)
    values_of_copies, slopes = evaluated(eqx.tree_at(lambda m: m.branches, shared, copies), noise)
    for one, other in zip(jax.tree.leaves(values), jax.tree.leaves(values_of_copies), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)
    for one, each in zip(jax.tree.leaves(slope), jax.tree.leaves(slopes), strict=True):
        np.testing.assert_allclose(one, each.sum(axis=0), rtol=1e-8, atol=1e-12)


def test_without_a_network_a_source_is_its_start():
    model = random_double_model(NONE, T, M)
    (sources, paths, every, _), _ = evaluated(model, random_noise(NONE, T))
    start = starts(model, random_noise(NONE, T).start)
    np.testing.assert_allclose(sources, start, rtol=1e-12)
    assert paths.shape == (N, NONE.diffusion.n_steps + 1, T)
    np.testing.assert_allclose(paths, start[:, None, :] * jnp.ones(paths.shape), rtol=1e-12)
    assert every.diffusion == 0 and every.kl > 0
    assert model.branches.gain == 1.0


@pytest.mark.parametrize("config", [OWN, NONE], ids=["own", "none"])
def test_a_start_without_noise_gives_the_same_sources_in_every_draw(config):
    model = random_double_model(changed(config, deterministic_start=True), T, M)
    draws = jax.jit(jax.vmap(model.sample))(jax.random.split(jax.random.key(0), 3))
    np.testing.assert_array_equal(draws[1:], draws[:1] * jnp.ones((2, 1, 1)))
    assert start_kl(model) == 0


def test_the_gain_is_what_a_silent_path_does():
    model = random_double_model(OWN, T, M)
    silent = eqx.tree_at(lambda m: m.branches.network, model, replace_fn=lambda n: jax.tree.map(jnp.zeros_like, n))
    noise = random_noise(OWN, T).start
    np.testing.assert_allclose(eqx.filter_jit(silent.at)(noise), model.branches.gain * starts(model, noise), rtol=1e-6)


def test_without_a_prior_there_is_no_likelihood_to_complete():
    assert OWN.objective.volume_weight == 1.0
    assert changed(OWN, lambda_prior=0.0).objective.volume_weight == 0.0
