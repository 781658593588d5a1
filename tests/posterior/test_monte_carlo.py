"""Monte Carlo estimation (Eqs. 33-36): of a model whose answer is known, and as a fit shows it."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import paper_numpy as paper
import pytest
from random_models import random_double_model
from short import configuration, estimator

from stradiff import simulate
from stradiff.config import Dense
from stradiff.posterior import draws, moments, reconstruct

T, N, M = 14, 2, 3
CONFIG = configuration(n_sources=N, n_steps=3, network=Dense(width=4))


def model_of():
    return random_double_model(CONFIG, T, M)


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
    alpha_bar = paper.alpha_bars(CONFIG.diffusion.n_steps, CONFIG.diffusion.schedule)
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


N_DRAWS = 400


@pytest.fixture(scope="module")
def fit():
    values = simulate("linear", n_samples=160, n_channels=4, noise=0.01, seed=1).recording.values[:80]
    model = estimator(
        3,
        preset="paper",
        init="sobi",
        start_sigma=0.1,
        max_epochs=3,
        n_steps=3,
        network=Dense(width=4),
        uncertainty="monte-carlo",
        n_draws=N_DRAWS,
        random_state=3,
    )
    return model.fit(values)


def test_other_draws_agree_within_their_error(fit):
    draws = fit.sample_sources(N_DRAWS, random_state=11)
    error = np.sqrt(2.0 / N_DRAWS) * fit.sources_std_
    assert np.max(np.abs(draws.mean(axis=0) - fit.sources_) / error) < 5.5  # of 240 normal values
    ratio = draws.std(axis=0, ddof=1) / fit.sources_std_
    assert np.max(np.abs(ratio - 1.0)) < 6.0 / np.sqrt(N_DRAWS)


def test_the_shown_reconstruction_is_the_map_of_the_mean(fit):
    by_hand = fit.sources_ @ fit.mixing_.T + fit._separation.normaliser.mean
    np.testing.assert_allclose(fit.reconstruction_, by_hand, atol=1e-4)


def test_sources_are_shown_slow_to_fast_with_unit_variance(fit):
    np.testing.assert_allclose(fit.sources_.std(axis=0), 1.0, rtol=1e-5)
    steps = np.mean(np.diff(fit.sources_, axis=0) ** 2, axis=0)
    assert np.all(np.diff(steps) > 0)
