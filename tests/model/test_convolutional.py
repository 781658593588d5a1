"""Convolutional networks: size, receptive field, and the ends of a trajectory."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stradiff.model.diffusion.networks import ConvolutionalNetwork, ReceptiveField

LEVEL = jnp.asarray(0.4)


def network(stride=8, n_layers=2, output_scale=1.0):
    return ConvolutionalNetwork(ReceptiveField(stride, n_layers), 5, output_scale=output_scale, key=jax.random.key(1))


def trajectory(n_samples, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(n_samples), jnp.float32)


@pytest.mark.parametrize("n_samples", [1, 7, 8, 9, 100, 203])
def test_one_network_takes_any_length(n_samples):
    assert network()(trajectory(n_samples), LEVEL).shape == (n_samples,)


def test_a_sample_depends_on_its_receptive_field_alone():
    reach, eps = ReceptiveField(8, 2), network()
    slopes = np.asarray(jax.jacfwd(lambda x: eps(x, LEVEL))(trajectory(400)))
    distance = np.abs(np.subtract.outer(np.arange(400), np.arange(400)))
    assert (slopes[distance > reach.samples + reach.stride] == 0.0).all()
    assert np.abs(slopes[200, 200 - reach.samples // 2]) > 0.0
    assert np.abs(slopes[200, 200 + reach.samples // 2]) > 0.0


def test_the_network_is_equivariant_to_shifts():
    """By multiples of a frame, away from the ends."""
    whole, eps = trajectory(400), network()
    early, late = eps(whole[:320], LEVEL), eps(whole[40:360], LEVEL)
    np.testing.assert_allclose(late[80:200], early[120:240], rtol=1e-4, atol=1e-5)


def test_a_trajectory_is_padded_with_zeros():
    short, eps = trajectory(104), network()
    np.testing.assert_allclose(eps(jnp.pad(short, (0, 400)), LEVEL)[:60], eps(short, LEVEL)[:60], rtol=1e-5, atol=1e-6)


def test_the_output_depends_on_the_level_and_vanishes_at_scale_zero():
    eps, x = network(), trajectory(64)
    assert np.abs(eps(x, LEVEL) - eps(x, jnp.asarray(0.9))).max() > 1e-3
    np.testing.assert_array_equal(network(output_scale=0.0)(x, LEVEL), np.zeros(64))


@pytest.mark.parametrize(
    ("length_scales", "reach"),
    [
        ([6.0, 60.0], ReceptiveField(8, 4)),
        ([64.0, 64.0], ReceptiveField(32, 3)),
        ([0.5], ReceptiveField(8, 1)),
        ([1e5], ReceptiveField(64, 6)),
    ],
)
def test_the_shortest_length_scale_sets_the_frames_and_the_longest_the_field(length_scales, reach):
    assert ReceptiveField.of(np.array(length_scales)) == reach
    if 8 < reach.stride < 64:
        assert reach.samples >= 2 * max(length_scales)
