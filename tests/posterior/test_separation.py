"""Monte Carlo moments: of the very draws they are moments of, and of a model whose answer is known."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import paper_numpy as paper
from random_models import random_double_model

from stradiff.posterior import draws, moments, reconstruct

T, N, M = 14, 2, 3
SETTINGS = Settings(n_sources=N, n_diffusion_steps=3, network_width=4)


def model_of():
    return random_double_model(SETTINGS, T, M)


def test_moments_are_those_of_the_paper_for_the_same_draws():
    model, key, n_draws = model_of(), jax.random.key(0), 7
    every = np.moveaxis(np.asarray(draws(model, key, n_draws)), 1, 2)
    assert every.shape == (n_draws, T, N)
    mean, spread = paper.monte_carlo(every)
    got_mean, got_spread = moments(model, key, n_draws)
    np.testing.assert_allclose(got_mean.T, mean, rtol=1e-10)
    np.testing.assert_allclose(got_spread.T, spread, rtol=1e-9)


def test_a_draw_is_the_papers_source_at_the_same_noise():
    """What ``Model.sample`` draws is f_Theta of a z from q: inverting q gives noise that the loops turn into it."""
    model = model_of()
    noise = jnp.asarray(np.random.default_rng(0).standard_normal((N, T)))
    alpha_bar = paper.alpha_bars(SETTINGS.diffusion.n_steps, SETTINGS.diffusion.schedule)
    network = model.branches.network
    for k, source in enumerate(model.at(noise)):
        first = np.column_stack([network.weight_in[k], network.weight_level[k]])
        layers = [(first, network.bias_in[k]), (network.weights[0][k], network.biases[0][k])]
        layers.append((network.weight_out[k], network.bias_out[k]))
        z = paper.start(model.branches.start.mean[k], np.exp(model.branches.start.log_sigma[k]), noise[k])
        np.testing.assert_allclose(source, paper.reverse_path(layers, z, alpha_bar)[-1].real, rtol=1e-9)


def test_moments_of_a_silent_model_are_those_of_its_start():
    """s = z / sqrt(abar_L): mean mu / sqrt(abar_L) and deviation sigma / sqrt(abar_L), to five standard errors."""
    model, n_draws = model_of(), 2000
    silent = eqx.tree_at(lambda m: m.branches.network, model, replace_fn=lambda n: jax.tree.map(jnp.zeros_like, n))
    mean, spread = (np.asarray(part) for part in moments(silent, jax.random.key(1), n_draws))
    gain = 1 / np.sqrt(model.branches.schedule.alpha_bar[-1])
    start = model.branches.start
    deviation = gain * np.exp(np.asarray(start.log_sigma))
    assert (np.abs(mean - gain * np.asarray(start.mean)) < 5 * deviation / np.sqrt(n_draws)).all()
    assert (np.abs(spread - deviation) < 5 * deviation / np.sqrt(2 * n_draws)).all()


def test_the_reconstruction_is_the_map_of_the_sources():
    model = model_of()
    sources = np.random.default_rng(0).standard_normal((N, T))
    expected = paper.mix({"matrix": np.asarray(model.mixing.matrix)}, sources.T).real
    np.testing.assert_allclose(reconstruct(model, jnp.asarray(sources)), expected, rtol=1e-10)
