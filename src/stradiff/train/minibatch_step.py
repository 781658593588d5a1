"""Algorithm 1 on recordings too long to be looked at as a whole: every epoch sees one window, and learns from it.

Each pass over the record visits every window once, in a random order. What learning from windows takes beside their
terms (``train.minibatches``):

* **Unit variance.** The sums of every window are kept from when it was last seen, and so is what the objective there
  gains by another mean or variance of a source. What a window's samples do to the record's moments is weighed with the
  mean of those gains over all windows, not with the window's own: a window with much power gains more by a larger
  variance and adds more to it, and sources would grow. The objective does not know the moments themselves, as they are
  divided out; a pull towards zero and one keeps estimates of its gains from carrying them away.
* **Networks.** What they do to the variance of a source is known a pass late. With many windows they would run ahead of
  it, and take the sources with them (55 windows: within 400 epochs), so there they move more slowly.
* **Starts.** A sample's mean and sigma move in the epochs that see it, with averages and a count of their own.

An epoch takes memory for one window, beside the starts themselves.

With several devices an epoch sees a window on each of them, spaced evenly over the record. What windows share moves by
the mean of what they ask for, the starts of every window as if it had been seen alone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float, Int, PRNGKeyArray

from stradiff.model.branches import Branch, over_sources
from stradiff.model.model import MIN_SCALE, Model, Moments
from stradiff.model.observation_mask import Mask
from stradiff.model.start import Start
from stradiff.train.minibatches import Minibatches, Place, minibatch_terms
from stradiff.train.objective import Terms, draw_noise, total
from stradiff.train.step import CHUNK, StepSettings, TrainInfo, TrainState, moved

ADAM = {"b1": 0.9, "b2": 0.999, "eps": 1e-8}  # Kingma & Ba 2015
HOLD = 1.0  # nats per sample, of the pull: for a mean of one, or a variance e times too large
SHARED_ADAM = optax.flatten(optax.scale_by_adam(**ADAM))
STEADY = 4  # windows; where there are more, the networks move in a pass as far as in so many epochs
WINDOWS = "windows"  # the mesh axis


class SegmentRecords(NamedTuple):
    """What every window told when it was last seen."""

    first: Float[Array, "count n"]
    """Sums of its sources, before they are standardised, .."""
    second: Float[Array, "count n"]
    """.. and of their squares."""
    slopes: Moments
    """Of the objective, as this window has it, in mean and variance: ``(count, n)`` each."""
    seen: Float[Array, " count"]
    """1 once it was."""

    def moments(self, n_samples: int) -> Moments:
        """Of the record."""
        mean = jnp.sum(self.first, axis=0) / n_samples
        return Moments(mean, jnp.sum(self.second, axis=0) / n_samples - mean**2)

    def gains(self, moments: Moments, n_samples: int) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """Slopes of the objective in the record's sums of a source and of its square, the pull on its moments added."""
        n_seen = jnp.maximum(jnp.sum(self.seen), 1.0)
        by_mean, by_variance = (jnp.sum(every, axis=0) / n_seen for every in self.slopes)
        by_mean += 2.0 * HOLD * n_samples * moments.mean
        variance = moments.variance + MIN_SCALE**2  # zero where training starts at nothing
        by_variance += 2.0 * HOLD * n_samples * jnp.log(variance) / variance
        # variance = second / T - mean^2
        return (by_mean - 2.0 * moments.mean * by_variance) / n_samples, by_variance / n_samples


class StartMoments(NamedTuple):
    """Adam's averages of every start, and how often it was seen."""

    first: Start
    second: Start
    seen: Float[Array, " T"]


class MinibatchState(NamedTuple):
    """What goes on from epoch to epoch."""

    model: Model
    optimiser: optax.OptState
    starts: StartMoments
    told: SegmentRecords
    key: PRNGKeyArray
    epoch: Array


State = TrainState | MinibatchState


class Look(NamedTuple):
    """What one window says: the objective there, and where it asks to go."""

    info: TrainInfo
    sums: tuple[Array, Array]
    """Of its sources and of their squares."""
    slopes: Moments
    start: Start
    """Gradient in the starts of its samples."""


def init(model: Model, key: PRNGKeyArray, windows: Minibatches) -> MinibatchState:
    """The state before the first epoch."""
    raw = over_sources(Branch.at, model.branches, jnp.zeros_like(model.branches.start.mean))
    nothing = jax.tree.map(jnp.zeros_like, model.branches.start)
    flat = jnp.zeros((windows.count, model.n_sources), raw.dtype)
    told = SegmentRecords(
        windows.sums(raw), windows.sums(raw**2), Moments(flat, flat), jnp.zeros(windows.count, raw.dtype)
    )
    return MinibatchState(
        model,
        SHARED_ADAM.init(_without_start(model)),
        StartMoments(nothing, nothing, jnp.zeros(model.n_samples, jnp.float32)),
        told,
        key,
        jnp.zeros((), jnp.int32),
    )


def step(
    state: MinibatchState,
    observed: Float[Array, "T m"],
    settings: StepSettings,
    learning_rate: Array | float,
    windows: Minibatches,
    mask: Mask = None,
) -> tuple[MinibatchState, TrainInfo]:
    """One epoch: a window on each device, a draw, and a step of all that it depends on."""
    shared = _without_start(state.model)
    indices = _turn(state, windows)
    looks, gradient = _looks(state, indices, observed, settings, windows, mask)
    rate = learning_rate / (1.0 + state.epoch / settings.halving) if settings.halving else learning_rate
    direction, optimiser = SHARED_ADAM.update(gradient, state.optimiser)
    slow = min(1.0, STEADY / windows.epochs_a_pass)
    direction = eqx.tree_at(lambda m: m.branches, direction, jax.tree.map(lambda way: slow * way, direction.branches))
    shared = moved(shared, direction, rate, settings)
    whole, starts, told = state.model.branches.start, state.starts, state.told
    for index, look in zip(indices, looks, strict=True):
        whole, starts = _step_of_starts(whole, starts, look, Place.of(index, windows), windows, learning_rate, settings)
        latest = SegmentRecords(look.sums[0], look.sums[1], look.slopes, jnp.ones((), jnp.float32))
        told = jax.tree.map(lambda every, one, index=index: every.at[index].set(one), told, latest)
    model = eqx.tree_at(
        lambda m: (m.branches.start, m.mixing), shared, (whole, shared.mixing.normalised()), is_leaf=lambda x: x is None
    )
    info = _mean([look.info for look in looks])
    return MinibatchState(model, optimiser, starts, told, state.key, state.epoch + 1), info


def _turn(state: MinibatchState, windows: Minibatches) -> list[Array]:
    """The windows whose turn it is, as far from one another as they can be."""
    apart = windows.epochs_a_pass
    turn = jax.random.permutation(jax.random.fold_in(state.key, -1 - state.epoch // apart), apart)
    first = turn[state.epoch % apart]
    return [first + apart * k if k else first for k in range(windows.at_once)]


def _looks(
    state: MinibatchState,
    indices: list[Array],
    observed: Float[Array, "T m"],
    settings: StepSettings,
    windows: Minibatches,
    mask: Mask,
) -> tuple[list[Look], Model]:
    """What every window says, and the mean gradient of what they share; each on a device of its own."""
    if len(indices) == 1:
        look, gradient = _look(state, indices[0], state.epoch, observed, settings, windows, mask)
        return [look], gradient

    def on_one(
        state: MinibatchState,
        observed: Float[Array, "T m"],
        mask: Mask,
        index: Int[Array, " 1"],
        draw: Int[Array, " 1"],
    ) -> tuple[Look, Model]:
        look, gradient = _look(state, index[0], draw[0], observed, settings, windows, mask)
        return jax.lax.all_gather(look, WINDOWS), jax.lax.pmean(gradient, WINDOWS)

    whole, own = PartitionSpec(), PartitionSpec(WINDOWS)
    divided = jax.shard_map(on_one, in_specs=(whole, whole, whole, own, own), out_specs=whole, check_vma=False)
    draws = state.epoch * len(indices) + jnp.arange(len(indices), dtype=state.epoch.dtype)
    looks, gradient = divided(state, observed, mask, jnp.stack(indices), draws)
    return [jax.tree.map(lambda rows, k=k: rows[k], looks) for k in range(len(indices))], gradient


def _look(
    state: MinibatchState,
    index: Array,
    draw: Array,
    observed: Float[Array, "T m"],
    settings: StepSettings,
    windows: Minibatches,
    mask: Mask,
) -> tuple[Look, Model]:
    """What window ``index`` says with the random numbers of ``draw``, and its gradient in all but the starts."""
    place = Place.of(index, windows)
    start = jax.tree.map(lambda rows: _samples_of(rows, place, windows, 1), state.model.branches.start)
    rows = _samples_of(observed, place, windows, 0)
    there = None if mask is None else _samples_of(mask, place, windows, 0)
    share = (windows.length - 1) / (windows.n_samples - 1)
    moments = state.told.moments(windows.n_samples)
    first_gain, second_gain = state.told.gains(moments, windows.n_samples)

    def loss(learned: tuple[Model, Start], moments: Moments) -> tuple[Array, tuple[Array, Terms, Array, Any]]:
        here = learned[0].of_segment(learned[1], share)
        noise = draw_noise(here, jax.random.fold_in(state.key, draw))
        every, mse, sums = minibatch_terms(here, rows, place, windows, moments, noise, settings.objective, there)
        value = total(every, settings.objective)
        through_moments = first_gain @ sums[0] + second_gain @ sums[1] if here.standardise else 0.0
        return value + windows.count * through_moments, (value, every, mse, sums)

    differentiate = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)
    learned = _without_start(state.model), start
    (_, (value, every, mse, sums)), (gradient, slopes) = differentiate(learned, moments)
    info = TrainInfo(value, every, mse, state.model.priors.length_scales)
    return Look(info, sums, slopes, gradient[1]), gradient[0]


def _step_of_starts(
    whole: Start,
    starts: StartMoments,
    look: Look,
    place: Place,
    windows: Minibatches,
    learning_rate: Array | float,
    settings: StepSettings,
) -> tuple[Start, StartMoments]:
    """Adam for the samples that were seen, each with a learning rate by how often that was.

    In a loop of one turn, whose turns XLA cannot count (none, where the objective is no number): else it computes parts
    of the step over and over from the whole arrays, and needs two copies of each of these in every epoch.
    """

    def adam(_: Array, here: tuple[Start, StartMoments]) -> tuple[Start, StartMoments]:
        start, moments = here
        seen, halving = moments.seen + 1.0, settings.halving
        first = jax.tree.map(lambda old, g: ADAM["b1"] * old + (1.0 - ADAM["b1"]) * g, moments.first, look.start)
        second = jax.tree.map(lambda old, g: ADAM["b2"] * old + (1.0 - ADAM["b2"]) * g**2, moments.second, look.start)
        rate = learning_rate / (1.0 + seen / halving) if halving else learning_rate * jnp.ones_like(seen)
        step = rate / (1.0 - ADAM["b1"] ** seen)

        def further(value: Array, mean: Array, square: Array) -> Array:
            size = jnp.sqrt(square / (1.0 - ADAM["b2"] ** seen)[None]) + ADAM["eps"]
            return value - step[None] * mean / size

        return jax.tree.map(further, start, first, second), StartMoments(first, second, seen)

    every = whole, starts
    here = jax.tree.map(lambda rows: _samples_of(rows, place, windows, rows.ndim - 1), every)
    changed = jax.lax.fori_loop(0, jnp.isfinite(look.info.total).astype(jnp.int32), adam, here)

    def put(rows: Array, new: Array) -> Array:
        return jax.lax.dynamic_update_slice_in_dim(rows, new, place.first, rows.ndim - 1)

    result: tuple[Start, StartMoments] = jax.tree.map(put, every, changed)
    return result


def _samples_of(rows: Array, place: Place, windows: Minibatches, axis: int) -> Array:
    return jax.lax.dynamic_slice_in_dim(rows, place.first, windows.length, axis)


def _mean(infos: list[TrainInfo]) -> TrainInfo:
    if len(infos) == 1:
        return infos[0]
    return jax.tree.map(lambda *each: jnp.mean(jnp.stack(each), axis=0), *infos)


def _without_start(model: Model) -> Model:
    return eqx.tree_at(lambda m: m.branches.start, model, None)


@eqx.filter_jit
def run(
    state: MinibatchState,
    observed: Float[Array, "T m"],
    windows: Minibatches,
    settings: StepSettings,
    learning_rate: Array,
    n_epochs: Array,
    mask: Mask = None,
) -> tuple[MinibatchState, TrainInfo]:
    """``n_epochs`` (at most CHUNK) epochs in one compiled loop, as ``trainer.run``."""
    _, shape = jax.eval_shape(lambda s: step(s, observed, settings, learning_rate, windows, mask), state)
    empty = jax.tree.map(lambda leaf: jnp.zeros((CHUNK, *leaf.shape), leaf.dtype), shape)

    def body(index: Array, carry: tuple[MinibatchState, TrainInfo]) -> tuple[MinibatchState, TrainInfo]:
        state, infos = carry
        state, info = step(state, observed, settings, learning_rate, windows, mask)
        return state, jax.tree.map(lambda rows, row: rows.at[index].set(row), infos, info)

    return jax.lax.fori_loop(0, n_epochs, body, (state, empty))
