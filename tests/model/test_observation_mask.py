"""Masks of residuals: none, of channels, and projections."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from stradiff.model.observation_mask import apply_mask, count_observed

RNG = np.random.default_rng(0)
E = jnp.asarray(RNG.standard_normal((5, 3)), jnp.float32)
MASK = jnp.asarray([[1, 1, 1], [0, 1, 1], [0, 0, 0], [1, 0, 0], [1, 1, 0]], jnp.float32)
DIRECTION = np.array([2.0, -1.0, 2.0]) / 3.0
PROJECTION = jnp.asarray(np.repeat(np.eye(3)[None] - np.outer(DIRECTION, DIRECTION), 5, axis=0), jnp.float32)


def test_without_a_mask_all_values_are_observed():
    assert apply_mask(E, None) is E
    assert count_observed(None, 15) == 15


def test_a_mask_removes_channels():
    np.testing.assert_array_equal(apply_mask(E, MASK), E * MASK)
    assert count_observed(MASK, 15) == 8


def test_a_projection_removes_a_direction():
    np.testing.assert_allclose(apply_mask(E, PROJECTION) @ DIRECTION, 0.0, atol=1e-6)
    np.testing.assert_allclose(apply_mask(apply_mask(E, PROJECTION), PROJECTION), apply_mask(E, PROJECTION), atol=1e-6)
    np.testing.assert_allclose(count_observed(PROJECTION, 15), 10.0, rtol=1e-6)


def test_missing_values_have_no_gradient():
    gradient = jax.grad(lambda e: jnp.sum(apply_mask(e, MASK) ** 2))(E)
    np.testing.assert_array_equal(gradient, 2 * E * MASK)
