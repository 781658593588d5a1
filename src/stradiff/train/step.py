"""Algorithm 1, lines 2-23: init, one step, and many steps in one compiled loop."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from stradiff.config import Configuration, Objective
from stradiff.model.model import Model
from stradiff.model.observation_mask import Mask
from stradiff.model.source_sharding import n_source_shards
from stradiff.train.objective import Terms, draw_noise, terms, total

CHUNK = 100  # epochs between two looks at the outside: well under a second, and its overhead is lost in it


@dataclasses.dataclass(frozen=True)
class StepSettings:
    """What a compiled step depends on: fits that agree in it share one compilation."""

    objective: Objective
    prior_rate: float
    halving: float

    @classmethod
    def of(cls, config: Configuration) -> StepSettings:
        """The part of a configuration."""
        return cls(config.objective, config.training.prior_rate, config.training.halving)


class TrainState(NamedTuple):
    """What goes on from epoch to epoch."""

    model: Model
    optimiser: optax.OptState
    key: PRNGKeyArray
    epoch: Array


class TrainInfo(NamedTuple):
    """What is reported of an epoch."""

    total: Float[Array, "..."]
    terms: Terms
    mse: Float[Array, "..."]
    length_scales: Float[Array, "... n"]


# Adam (Kingma & Ba 2015) on all parameters as one vector: a handful of operations instead of a handful per array.
ADAM = optax.flatten(optax.scale_by_adam())
# Where devices share the sources, one vector would have to be gathered from all of them in every epoch.
ADAM_BY_ARRAY = optax.scale_by_adam()


def adam() -> optax.GradientTransformation:
    """The optimiser, of the same numbers either way."""
    return ADAM if n_source_shards() == 1 else ADAM_BY_ARRAY


def moved(model: Model, direction: Model, rate: Array | float, settings: StepSettings) -> Model:
    """The model a step further; the priors' few, slow parameters take larger steps."""
    further = jax.tree.map(lambda value, change: value - rate * change, model, direction)
    priors = jax.tree.map(
        lambda value, change: value - settings.prior_rate * rate * change, model.priors, direction.priors
    )
    return eqx.tree_at(lambda m: m.priors, further, priors)


def init(model: Model, key: PRNGKeyArray) -> TrainState:
    """The state before the first epoch."""
    return TrainState(model, adam().init(model), key, jnp.zeros((), jnp.int32))


def step(
    state: TrainState,
    observed: Float[Array, "T m"],
    times: Float[Array, " T"] | None,
    settings: StepSettings,
    learning_rate: Array | float,
    mask: Mask = None,
) -> tuple[TrainState, TrainInfo]:
    """One epoch: draw, evaluate, differentiate, update, normalise the map (Algorithm 1, lines 3-22)."""
    noise = draw_noise(state.model, jax.random.fold_in(state.key, state.epoch))

    def loss(model: Model) -> tuple[Array, tuple[Terms, Array]]:
        every, mse = terms(model, observed, times, noise, settings.objective, mask)
        return total(every, settings.objective), (every, mse)

    (value, (every, mse)), gradient = jax.value_and_grad(loss, has_aux=True)(state.model)
    rate = learning_rate / (1.0 + state.epoch / settings.halving) if settings.halving else learning_rate
    direction, optimiser = adam().update(gradient, state.optimiser)
    model = moved(state.model, direction, rate, settings)
    model = eqx.tree_at(lambda m: m.mixing, model, model.mixing.normalised())
    info = TrainInfo(value, every, mse, state.model.priors.length_scales)
    return TrainState(model, optimiser, state.key, state.epoch + 1), info


@eqx.filter_jit
def run(
    state: TrainState,
    observed: Float[Array, "T m"],
    times: Float[Array, " T"] | None,
    settings: StepSettings,
    learning_rate: Array,
    n_epochs: Array,
    mask: Mask = None,
) -> tuple[TrainState, TrainInfo]:
    """``n_epochs`` (at most CHUNK) epochs without leaving the compiled loop.

    The number of epochs is an array, so that no count compiles anew; of the returned info the first ``n_epochs``
    rows are filled.
    """
    _, shape = jax.eval_shape(lambda s: step(s, observed, times, settings, learning_rate, mask), state)
    empty = jax.tree.map(lambda leaf: jnp.zeros((CHUNK, *leaf.shape), leaf.dtype), shape)

    def body(index: Array, carry: tuple[TrainState, TrainInfo]) -> tuple[TrainState, TrainInfo]:
        state, infos = carry
        state, info = step(state, observed, times, settings, learning_rate, mask)
        return state, jax.tree.map(lambda rows, row: rows.at[index].set(row), infos, info)

    return jax.lax.fori_loop(0, n_epochs, body, (state, empty))
