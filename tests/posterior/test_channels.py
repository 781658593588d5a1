"""Channels of equal noise for the posterior: the same recording, and a choice by likelihood."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from laplace_models import T, model_of, simulated_long
from quick_compile import quick_compile
from short import configuration, estimator

from stradiff import simulate
from stradiff.config import Dense
from stradiff.data import fit_normaliser
from stradiff.model import numerics
from stradiff.posterior.channels import in_recording_channels, noise_as_trained

Y = np.random.default_rng(0).standard_normal((T, 3)) @ [[1.0, 0.9, 0.0], [0.0, 0.1, 5.0], [0.0, 0.0, 30.0]]


def test_the_rescaled_matrix_makes_the_same_recording():
    normaliser = fit_normaliser(Y, "whiten")
    with numerics():
        model = model_of()
        channels, rescaled = in_recording_channels(normaliser, model)
        sources = jnp.asarray(np.random.default_rng(1).standard_normal((2, T)))
        in_channels, in_normalised = (np.asarray(one.mix(sources)) for one in (rescaled, model))
    np.testing.assert_allclose(channels.inverse(in_channels), normaliser.inverse(in_normalised), atol=1e-6)
    np.testing.assert_allclose(channels.forward(Y).std(axis=0), 1.0)
    mask = np.arange(3 * T).reshape(T, 3) % 5 > 0
    np.testing.assert_array_equal(channels.forward_mask(mask), mask)


def test_a_nonlinear_map_keeps_its_normalised_channels():
    normaliser = fit_normaliser(Y, "whiten")
    with numerics():
        model = model_of("mlp")
        assert in_recording_channels(normaliser, model) == (normaliser, model)


@pytest.mark.parametrize("of_sources", [False, True])
def test_the_likelihood_distinguishes_channel_noise_from_source_noise(of_sources):
    n_samples, mixing = 500, np.array([[1.0, 1.0], [1.0, 0.9]])
    sources = simulated_long(n_samples)[0].T
    white = np.random.default_rng(3).standard_normal((n_samples, 2))
    clean = sources @ mixing.T
    values = (sources + 0.3 * white) @ mixing.T if of_sources else clean + 0.1 * clean.std(axis=0) * white
    normaliser = fit_normaliser(values, "whiten")
    with numerics():
        model = model_of(n_samples=n_samples)
        matrix = jnp.asarray(normaliser.matrix.T @ mixing)
        model = eqx.tree_at(lambda whole: whole.mixing.matrix, model, matrix)
        assert noise_as_trained(normaliser, model, values, None, configuration(n_sources=2)) is of_sources


def test_the_noise_of_ill_conditioned_mixing_is_estimated():
    """Whitened, the weakest direction would hold a hundred times the noise of the strongest one."""
    rng = np.random.default_rng(2)
    clean = simulate("linear", n_samples=400, seed=5).sources[:, :2] @ [[1.0, 1.0], [0.3, -0.3]]
    noise = 0.1 * clean.std(axis=0)
    model = estimator(2, max_epochs=400, tol=0, network=Dense(width=8), n_draws=5, random_state=0, verbose=False)
    with quick_compile():
        model.fit(clean + noise * rng.standard_normal(clean.shape))
    np.testing.assert_allclose(model.noise_std_ / noise, 1.0, atol=0.1)
