"""The reverse path: the fast algorithms agree with the literal one, in value and gradient."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stradiff.model import Schedule
from stradiff.model.diffusion.networks import ConvolutionalNetwork, DenseNetwork, Network, ReceptiveField
from stradiff.model.diffusion.reverse import clean_estimate, generate, reverse_path, reverse_step, step_coefficients

pytestmark = pytest.mark.usefixtures("quickly_compiled")

T = 40
SCHEDULES = [Schedule(20), Schedule(1), Schedule(5, "cosine"), Schedule(20, "cosine")]
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: f"{s.kind}-{s.length}")


def random_network(depth=2, width=7, seed=0):
    rng = np.random.default_rng(seed)
    skeleton = eqx.filter_eval_shape(lambda key: DenseNetwork(T, width, depth, key=key), jax.random.key(0))
    return jax.tree.map(lambda leaf: jnp.asarray(0.3 * rng.standard_normal(leaf.shape)), skeleton)


class Scaled(Network):
    """A network whose reverse path can be written down: eps(x, level) = factor x."""

    factor: jax.Array

    def __call__(self, trajectory, level):
        return self.factor * trajectory


START = np.random.default_rng(1).standard_normal(T)  # a NumPy array: at import, JAX is in single precision


def random_convolutions(seed=0):
    rng = np.random.default_rng(seed)
    skeleton = eqx.filter_eval_shape(
        lambda key: ConvolutionalNetwork(ReceptiveField(8, 2), 3, key=key), jax.random.key(0)
    )
    return jax.tree.map(lambda leaf: jnp.asarray(0.3 * rng.standard_normal(leaf.shape)), skeleton)


NETWORKS = {
    "one layer": lambda: random_network(1),
    "three layers": lambda: random_network(3),
    "convolutions": random_convolutions,
}


@pytest.mark.parametrize("name", NETWORKS)
@every_schedule
def test_the_quick_path_is_the_literal_path(schedule, name):
    @eqx.filter_jit
    def both(network, start, weights):
        def value(network_and_start, by):
            return jnp.vdot(weights, by(*network_and_start))

        quick = eqx.filter_value_and_grad(value)((network, start), lambda n, z: generate(n, z, schedule))
        literal = eqx.filter_value_and_grad(value)((network, start), lambda n, z: reverse_path(n, z, schedule)[-1])
        return generate(network, start, schedule), reverse_path(network, start, schedule), quick, literal

    weights = jnp.asarray(np.random.default_rng(2).standard_normal(T))
    end, path, (value, gradient), (expected, wanted) = both(NETWORKS[name](), jnp.asarray(START), weights)
    assert path.shape == (schedule.length + 1, T)
    np.testing.assert_array_equal(path[0], START)
    np.testing.assert_allclose(end, path[-1], rtol=1e-9, atol=1e-10 * np.abs(path[-1]).max())
    np.testing.assert_allclose(value, expected, rtol=1e-9)
    for got, leaf in zip(jax.tree.leaves(gradient), jax.tree.leaves(wanted), strict=True):
        assert np.linalg.norm(got - leaf) <= 1e-9 * np.linalg.norm(leaf)


@every_schedule
def test_a_linear_network_multiplies_by_a_known_number(schedule):
    """The generic path of the paper, for a network that is not dense."""
    factor = 0.3
    kept, added = step_coefficients(schedule)
    end = generate(Scaled(jnp.asarray(factor)), jnp.asarray(START), schedule)
    np.testing.assert_allclose(end, np.prod(kept + factor * added) * START, rtol=1e-9)


@every_schedule
def test_a_silent_network_divides_by_the_root_of_alpha_bar(schedule):
    """s = z / sqrt(abar_L) up to the stabiliser; initialisations rely on it."""
    silent = jax.tree.map(jnp.zeros_like, random_network())
    np.testing.assert_allclose(
        generate(silent, jnp.asarray(START), schedule),
        START / np.sqrt(schedule.alpha_bar[-1]),
        rtol=1e-6 * schedule.length,
    )


@every_schedule
def test_the_true_noise_is_taken_out_in_one_step_or_in_many(schedule):
    """x_tau = sqrt(abar) s + sqrt(1 - abar) eta: with eta itself as prediction, every step stays on that line."""
    clean, noise = np.random.default_rng(3).standard_normal((2, T))
    alpha_bar = schedule.alpha_bar
    for tau in range(schedule.length, 0, -1):
        noisy = np.sqrt(alpha_bar[tau]) * clean + np.sqrt(1 - alpha_bar[tau]) * noise
        following = np.sqrt(alpha_bar[tau - 1]) * clean + np.sqrt(1 - alpha_bar[tau - 1]) * noise
        # The stabiliser of 1e-8, relative to the root of alpha-bar.
        tolerance = 3e-8 / np.sqrt(alpha_bar[tau]) + 1e-12
        np.testing.assert_allclose(
            clean_estimate(jnp.asarray(noisy), jnp.asarray(noise), alpha_bar[tau]), clean, atol=5 * tolerance
        )
        np.testing.assert_allclose(
            reverse_step(jnp.asarray(noisy), jnp.asarray(noise), alpha_bar[tau], alpha_bar[tau - 1]),
            following,
            atol=5 * tolerance,
        )


def test_paths_take_single_precision_as_it_comes():
    network = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), random_network())
    start = jnp.asarray(START, jnp.float32)
    path, end = reverse_path(network, start, SCHEDULES[0]), generate(network, start, SCHEDULES[0])
    assert path.dtype == end.dtype == jnp.float32
    np.testing.assert_allclose(end, path[-1], rtol=1e-3, atol=1e-4)
