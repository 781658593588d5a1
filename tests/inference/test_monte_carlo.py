"""Monte Carlo estimation of the sources (Eqs. 33-36), the readout rule, and unmixing of new rows."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stradiff.fitting import Settings
from stradiff.inference import choose_readout, draws, moments, separate, unmix
from stradiff.model import numerics
from stradiff.model.mixing import MLP
from stradiff.observations import simulate

N_DRAWS = 400


@pytest.fixture(scope="module")
def separation():
    values = simulate("linear", n_samples=160, n_channels=4, noise=0.01, seed=1).recording.values
    settings = Settings(init="sobi", start_sigma=0.1, max_epochs=3, n_diffusion_steps=3, network_width=8)
    return separate(values, None, settings, n_draws=N_DRAWS, seed=3)[0]


def test_moments_are_those_of_the_draws(separation):
    with numerics():
        key = jax.random.key(5)
        mean, spread = moments(separation.model, key, N_DRAWS)
        drawn = np.asarray(draws(separation.model, key, N_DRAWS), np.float64)
    np.testing.assert_allclose(mean, drawn.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(spread, drawn.std(axis=0, ddof=1), rtol=1e-2, atol=1e-5)


def test_other_draws_agree_within_their_error(separation):
    mean, spread = separation.moments(N_DRAWS)
    other = separation.draws(N_DRAWS, seed=11)
    error = np.sqrt(2.0 / N_DRAWS) * spread
    assert np.max(np.abs(other.mean(axis=0) - mean) / error) < 5.5  # of 480 normal values, once in 50,000 runs
    ratio = other.std(axis=0, ddof=1) / spread
    assert np.max(np.abs(ratio - 1.0)) < 6.0 / np.sqrt(N_DRAWS)


def test_the_reconstruction_is_the_map_of_the_mean(separation):
    mean, _ = separation.moments(N_DRAWS)
    by_hand = mean @ separation.mixing_matrix().T + separation.normaliser.mean
    np.testing.assert_allclose(separation.mix(mean), by_hand, atol=1e-4)


def test_sources_are_shown_slow_to_fast_with_unit_variance(separation):
    mean, _ = separation.moments(N_DRAWS)
    np.testing.assert_allclose(mean.std(axis=0), 1.0, rtol=1e-5)
    steps = np.mean(np.diff(mean, axis=0) ** 2, axis=0)
    assert np.all(np.diff(steps) > 0)


def test_readout_does_not_depend_on_order_sign_or_scale():
    rng = np.random.default_rng(0)
    sources = np.cumsum(rng.standard_normal((200, 3)), axis=0) * [1.0, 2.0, 3.0] + rng.standard_normal((200, 3))
    observed = sources @ rng.standard_normal((3, 4))
    shown = choose_readout(sources, observed).show(sources)
    disguised = sources[:, [2, 0, 1]] * [-2.0, 0.5, -1.0]
    np.testing.assert_allclose(choose_readout(disguised, observed).show(disguised), shown)


def test_readout_is_undone():
    rng = np.random.default_rng(1)
    sources = rng.standard_normal((50, 4))
    readout = choose_readout(sources, sources @ rng.standard_normal((4, 5)))
    np.testing.assert_allclose(readout.hide(readout.show(sources)), sources)


def test_a_vanished_source_comes_last_and_stays_finite():
    sources = np.column_stack([np.zeros(40), np.sin(np.arange(40.0))])
    shown = choose_readout(sources, sources[:, 1:]).show(sources)
    assert np.isfinite(shown).all() and np.all(shown[:, 1] == 0)


def test_unmixing_inverts_a_bent_map():
    rng = np.random.default_rng(2)
    with numerics():
        mixing = MLP(2, 4, 8, 1, linear_path=True, output_scale=0.3, key=jax.random.key(0))
        sources = jnp.asarray(rng.standard_normal((30, 2)), jnp.float32)
        observed = jax.vmap(mixing)(sources)
        regression = jnp.asarray(np.linalg.lstsq(observed, sources, rcond=None)[0].T, jnp.float32)
        found = unmix(mixing, observed, regression)
    np.testing.assert_allclose(found, sources, atol=1e-3)
