"""The library's own model in JAX as it would be without what makes it quick. Switched off are:

* the reverse path in the network's first layer (``stradiff.model.diffusion.reverse``): here it takes T numbers
  through the whole network at every step, by ``reverse_path``;
* the prior in O(T log T): here a dense covariance and its Cholesky factor for every source, ``solver="dense"``;
* single precision outside the prior: here everything is double, as it is where a user switches JAX to it for the prior;
* Adam on one flat vector: here on every array;
* a hundred epochs in one compiled loop: here one compiled epoch, whose objective is read back before the next;
* the limit of one thread for linear algebra, which helps small matrices and would harm these.

What stays: the epoch is compiled as a whole, sources are mapped and not looped over, the map is the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PRNGKeyArray

from stradiff.config import Configuration, Objective
from stradiff.model import Model
from stradiff.model.diffusion.networks import Network
from stradiff.train.objective import draw_noise, terms, total


class Opaque(Network):
    """A network whose first layer is not known to be affine, so that its reverse path is computed step by step."""

    network: Network

    def __call__(self, trajectory: Array, level: Array) -> Array:
        """eps_theta(x, tau / L)."""
        return self.network(trajectory, level)


def plain(model: Model) -> Model:
    """The same model with opaque networks, in double precision; its prior's solver is the configuration's."""
    model = eqx.tree_at(lambda m: m.branches.network, model, Opaque(model.branches.network))
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float64), model)


def epoch_of(config: Configuration) -> tuple[optax.GradientTransformation, Callable]:
    """Adam, and one compiled epoch: (model, moments, key, observed) -> (model, moments, objective)."""
    training, weights = config.training, config.objective
    adam, faster = optax.adam(training.learning_rate), training.prior_rate

    @jax.jit
    def epoch(model: Model, moments: optax.OptState, key: PRNGKeyArray, observed: Array) -> tuple:
        noise = draw_noise(model, key)
        objective, gradient = jax.value_and_grad(_objective)(model, observed, noise, weights)
        change, moments = adam.update(gradient, moments)
        change = eqx.tree_at(lambda m: m.priors, change, jax.tree.map(lambda leaf: faster * leaf, change.priors))
        model = optax.apply_updates(model, change)
        return eqx.tree_at(lambda m: m.mixing, model, model.mixing.normalised()), moments, objective

    return adam, epoch


def _objective(model: Model, observed: Array, noise: tuple, weights: Objective) -> Array:
    return total(terms(model, observed, None, noise, weights)[0], weights)


def prepare(problem: str) -> Callable[[int], float]:
    """Seconds that so many epochs take."""
    from timing.problem import SEED, first_model, normalised, paper_settings

    jax.config.update("jax_enable_x64", True)
    config = paper_settings(problem, solver="dense")
    values = normalised(problem)
    state_key, key = jax.random.split(jax.random.key(SEED))
    adam, epoch = epoch_of(config)
    model, observed = plain(first_model(values, config, state_key)), jnp.asarray(values)
    moments = adam.init(model)

    def seconds_of(n_epochs: int) -> float:
        nonlocal model, moments, key
        began = time.perf_counter()
        for _ in range(n_epochs):
            key, now = jax.random.split(key)
            model, moments, objective = epoch(model, moments, now, observed)
            float(objective)
        return time.perf_counter() - began

    return seconds_of
