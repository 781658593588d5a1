"""Branches with a network of their own, with one shared, and without any; starts with and without noise."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from random_models import random_double_model, random_noise
from short import changed, configuration

from stradiff.model import Branch
from stradiff.model.diffusion.networks import Dense
from stradiff.train.objective import terms

T, N, M = 16, 3, 4
OWN = configuration(n_sources=N, n_steps=3, network=Dense(width=4), lambda_volume=1.0, nu_y=0.2)
SHARED, NONE = changed(OWN, shared=True), changed(OWN, network="none")
OBSERVED = np.random.default_rng(5).standard_normal((T, M))


def everything(model, settings):
    noise = random_noise(settings, T)
    every, mse = terms(model, jnp.asarray(OBSERVED), None, noise, settings.objective)
    return model.at(noise.start), model.paths(noise.start), every, mse


def starts(model, noise):
    """mu + sigma noise of every source."""
    return np.asarray(model.branches.start.mean) + np.exp(model.branches.start.log_sigma) * noise


def test_a_shared_network_is_the_same_network_everywhere():
    shared = random_double_model(SHARED, T, M)
    networks = jax.tree.map(lambda leaf: jnp.stack([leaf] * N), shared.branches.network)
    copied = eqx.tree_at(
        lambda m: m.branches, shared, Branch(shared.branches.start, networks, OWN.diffusion.noise_levels)
    )
    for one, other in zip(
        jax.tree.leaves(everything(shared, SHARED)), jax.tree.leaves(everything(copied, OWN)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-9)


def test_a_shared_network_learns_from_every_source():
    """Its gradient is the sum of those that the copies have."""

    def slope(model, settings):
        return jax.grad(lambda m: jnp.sum(m.at(random_noise(settings, T).start) ** 3))(model).branches.network

    shared = random_double_model(SHARED, T, M)
    networks = jax.tree.map(lambda leaf: jnp.stack([leaf] * N), shared.branches.network)
    copied = eqx.tree_at(
        lambda m: m.branches, shared, Branch(shared.branches.start, networks, OWN.diffusion.noise_levels)
    )
    for one, each in zip(jax.tree.leaves(slope(shared, SHARED)), jax.tree.leaves(slope(copied, OWN)), strict=True):
        np.testing.assert_allclose(one, each.sum(axis=0), rtol=1e-8, atol=1e-12)


def test_without_a_network_a_source_is_its_start():
    model = random_double_model(NONE, T, M)
    sources, paths, every, _ = everything(model, NONE)
    start = starts(model, random_noise(NONE, T).start)
    np.testing.assert_allclose(sources, start, rtol=1e-12)
    assert paths.shape == (N, NONE.diffusion.n_steps + 1, T)
    np.testing.assert_allclose(paths, start[:, None, :] * jnp.ones(paths.shape), rtol=1e-12)
    assert every.diffusion == 0 and every.kl > 0
    assert model.branches.gain == 1.0


@pytest.mark.parametrize("settings", [OWN, NONE], ids=["own", "none"])
def test_a_start_without_noise_gives_the_same_sources_in_every_draw(settings):
    settings = changed(settings, deterministic_start=True)
    model = random_double_model(settings, T, M)
    draws = jax.vmap(model.sample)(jax.random.split(jax.random.key(0), 3))
    np.testing.assert_array_equal(draws[1:], draws[:1] * jnp.ones((2, 1, 1)))
    assert everything(model, settings)[2].kl == 0


def test_the_gain_is_what_a_silent_path_does():
    model = random_double_model(OWN, T, M)
    silent = eqx.tree_at(lambda m: m.branches.network, model, replace_fn=lambda n: jax.tree.map(jnp.zeros_like, n))
    noise = random_noise(OWN, T).start
    np.testing.assert_allclose(silent.at(noise), model.branches.gain * starts(model, noise), rtol=1e-6)


def test_without_a_prior_there_is_no_likelihood_to_complete():
    assert OWN.objective.volume_weight == 1.0
    assert OWN.objective.replace(lambda_prior=0.0).volume_weight == 0.0
