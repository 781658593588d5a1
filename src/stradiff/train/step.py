"""Algorithm 1, lines 2-23: init, one step, and many steps in one compiled loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from stradiff.config import Configuration, Objective
from stradiff.model.model import Model
from stradiff.model.observation_mask import Mask
from stradiff.model.source_sharding import n_source_shards
from stradiff.train.objective import Terms, draw_noise, terms, total

CHUNK = 100  # epochs of one compiled loop: well under a second, and its overhead is lost in it
State = TypeVar("State")


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
    """What one epoch passes to the next."""

    model: Model
    optimiser: optax.OptState
    key: PRNGKeyArray
    epoch: Array


class TrainInfo(NamedTuple):
    """What is reported of an epoch."""

    total: Float[Array, "..."]
    terms: Terms
    mse: Float[Array, "..."]
    length_scales: Float[Array, "... n"]  # after the step: the last ones are those of the result


# Adam (Kingma & Ba 2015) on all parameters as one vector: a handful of operations instead of a handful per array.
ADAM = optax.flatten(optax.scale_by_adam())
# Where devices share the sources, one vector would have to be gathered from all of them in every epoch.
ADAM_BY_ARRAY = optax.scale_by_adam()


def adam() -> optax.GradientTransformation:
    """The optimiser, of the same numbers either way."""
    return ADAM if n_source_shards() == 1 else ADAM_BY_ARRAY


def learning_rates(initial: Array | float, settings: StepSettings) -> optax.Schedule:
    """The learning rate by the number of steps: half of ``initial`` after ``settings.halving``, a third after twice."""
    if not settings.halving:
        return optax.constant_schedule(initial)
    return lambda count: initial / (1.0 + count / settings.halving)


def updated(model: Model, direction: Model, rate: Array | float, settings: StepSettings) -> Model:
    """The model a step further; the priors' few, slow parameters take larger steps."""

    def scaled(part: PyTree, rate: Array | float) -> PyTree:
        return jax.tree.map(lambda change: -rate * change, part)

    priors = scaled(direction.priors, settings.prior_rate * rate)
    return optax.apply_updates(model, eqx.tree_at(lambda m: m.priors, scaled(direction, rate), priors))


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
    """One epoch: draw, evaluate, differentiate, update, normalise the mixing (Algorithm 1, lines 3-22)."""
    noise = draw_noise(state.model, jax.random.fold_in(state.key, state.epoch))

    def loss(model: Model) -> tuple[Array, tuple[Terms, Array]]:
        parts, mse = terms(model, observed, times, noise, settings.objective, mask)
        return total(parts, settings.objective), (parts, mse)

    (value, (parts, mse)), gradient = jax.value_and_grad(loss, has_aux=True)(state.model)
    direction, optimiser = adam().update(gradient, state.optimiser)
    rate = learning_rates(learning_rate, settings)(state.epoch)
    model = updated(state.model, direction, rate, settings)
    model = eqx.tree_at(lambda m: m.mixing, model, model.mixing.normalised())
    info = TrainInfo(value, parts, mse, model.priors.length_scales)
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
    """``n_epochs`` (at most CHUNK) epochs in one compiled loop, with a row of info for each (``repeated``)."""
    return repeated(lambda state: step(state, observed, times, settings, learning_rate, mask), state, n_epochs)


def repeated(
    epoch: Callable[[State], tuple[State, TrainInfo]], state: State, n_epochs: Array
) -> tuple[State, TrainInfo]:
    """The state after ``n_epochs`` (at most CHUNK), and CHUNK rows of info, of which the first ``n_epochs`` are filled.

    The number of epochs is an array, so that no count compiles anew.
    """
    _, shape = jax.eval_shape(epoch, state)
    empty = jax.tree.map(lambda leaf: jnp.zeros((CHUNK, *leaf.shape), leaf.dtype), shape)

    def body(index: Array, carry: tuple[State, TrainInfo]) -> tuple[State, TrainInfo]:
        state, infos = carry
        state, info = epoch(state)
        return state, jax.tree.map(lambda rows, row: rows.at[index].set(row), infos, info)

    return jax.lax.fori_loop(0, n_epochs, body, (state, empty))
