"""Networks trained after a fit to draw new trajectories of a source: a dense one, and one that moves along the record.

The paper's branch is trained on one trajectory, that of the source found. A network that sees the whole trajectory at
once can only learn that one; one that moves along it sees as many examples as there are stretches of its memory.
``Convolutional`` is such a network, and stands here to be compared with the dense one of the package: both are trained
by Eq. 26 after the fit, on draws of the posterior, with sources and map held.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PRNGKeyArray

from stradiff.model.diffusion.networks import DenseNetwork, Network
from stradiff.model.diffusion.reverse import reverse_path
from stradiff.model.diffusion.schedule import Schedule

SCHEDULE = Schedule(50, beta_last=0.2)  # abar_L = 0.005: what is left of a source in x_L is lost in the noise
STEPS, BATCH, RATE = 1500, 4, 3e-3
CHANNELS, DILATIONS = 16, (1, 2, 4, 8, 16, 32, 64)
REACH = sum(DILATIONS)  # samples to either side that a prediction depends on


class Convolutional(Network):
    """Dilated convolutions of three taps, each added to what comes in; the noise level shifts every layer."""

    lift: Array
    weights: Array
    shifts: Array
    out: Array

    def __init__(self, key: PRNGKeyArray):
        first, middle = jax.random.split(key)
        layers, taps = len(DILATIONS), 3 * CHANNELS
        self.lift = jax.random.normal(first, (CHANNELS,), jnp.float32)
        self.weights = jax.random.normal(middle, (layers, CHANNELS, taps), jnp.float32) / taps**0.5
        self.shifts = jnp.zeros((layers, CHANNELS, 4), jnp.float32)
        self.out = jnp.zeros(CHANNELS, jnp.float32)

    def __call__(self, trajectory: Array, level: Array) -> Array:
        """eps_theta(x, tau / L)."""
        n_samples = trajectory.shape[0]
        level_features = jnp.cos(jnp.pi * level * jnp.arange(4, dtype=trajectory.dtype))
        hidden = self.lift[:, None] * trajectory[None, :]
        for dilation, weight, shift in zip(DILATIONS, self.weights, self.shifts, strict=True):
            wide = jnp.pad(hidden, ((0, 0), (dilation, dilation)))
            seen = jnp.concatenate([wide[:, :n_samples], hidden, wide[:, 2 * dilation :]])
            hidden = hidden + jax.nn.silu(weight @ seen + (shift @ level_features)[:, None])
        return self.out @ hidden


@functools.cache  # the same function for the same length, or each call would compile anew
def dense(n_samples: int) -> Callable[[PRNGKeyArray], DenseNetwork]:
    """The package's network, as wide as the record is long: a narrower one passes start noise (branch.md)."""
    return lambda key: DenseNetwork(n_samples, n_samples, 2, key=key)


@eqx.filter_jit
def trained(make: Callable[[PRNGKeyArray], Network], examples: Array, key: PRNGKeyArray) -> Network:
    """A network for each source (stacked), trained by Eq. 26 on its example trajectories."""
    alpha_bar = jnp.asarray(SCHEDULE.alpha_bar, jnp.float32)
    adam = optax.adam(optax.cosine_decay_schedule(RATE, STEPS))

    def loss(network: Network, examples: Array, key: PRNGKeyArray) -> Array:
        pick, level, draw = jax.random.split(key, 3)
        clean = examples[jax.random.randint(pick, (BATCH,), 0, examples.shape[0])]
        tau = jax.random.randint(level, (BATCH,), 1, SCHEDULE.length + 1)
        noise = jax.random.normal(draw, clean.shape, jnp.float32)
        kept = alpha_bar[tau][:, None]
        noisy = jnp.sqrt(kept) * clean + jnp.sqrt(1.0 - kept) * noise
        predicted = jax.vmap(network)(noisy, tau.astype(jnp.float32) / SCHEDULE.length)
        return jnp.mean((predicted - noise) ** 2)

    def one(examples: Array, key: PRNGKeyArray) -> Network:
        network = make(key)

        def step(index: Array, carry: tuple) -> tuple:
            network, state = carry
            gradient = eqx.filter_grad(loss)(network, examples, jax.random.fold_in(key, index))
            change, state = adam.update(gradient, state)
            return eqx.apply_updates(network, change), state

        return jax.lax.fori_loop(0, STEPS, step, (network, adam.init(network)))[0]

    return eqx.filter_vmap(one)(examples.astype(jnp.float32), jax.random.split(key, len(examples)))


@eqx.filter_jit
def generated(networks: Network, noise: Array) -> Array:
    """x_0 of every start (Eqs. 11, 13-15)."""

    def one(noise: Array) -> Array:
        return eqx.filter_vmap(lambda network, start: reverse_path(network, start, SCHEDULE)[-1])(networks, noise)

    return jax.lax.map(one, noise)
