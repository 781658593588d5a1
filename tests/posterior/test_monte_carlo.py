"""Monte Carlo estimation of the sources (Eqs. 33-36) of a fitted model, as it is shown."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from stradiff.data import simulate
from stradiff.model import numerics
from stradiff.posterior import draws, moments, separate

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
