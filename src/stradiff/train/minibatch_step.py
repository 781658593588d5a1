"""Algorithm 1 on recordings too long to be seen as a whole: every epoch sees one segment, and learns from it.

Each pass over the record visits every segment once, in a random order. Beside the terms of the segments
(``train.minibatches``) this takes:

* **Unit variance.** The sums of every segment's sources are kept from its last visit, and so is the slope of its
  objective in the mean and variance of a source. The effect of a segment's samples on the moments of the record is
  weighted with the mean of those slopes over all segments, not with the segment's own: a segment with much power gains
  more by a larger variance and adds more to it, and sources would grow. The objective does not depend on the moments
  themselves, as they are divided out; a pull towards zero and one keeps errors of the slopes from accumulating in them.
* **Networks.** Their effect on the variance of a source is known a pass late. With many segments they would run ahead
  of it, and the sources with them (55 segments: within 400 epochs), so there they take smaller steps.
* **Starts.** Mean and sigma of a sample move in the epochs that see it, with Adam's averages and count of their own.

An epoch takes memory for one segment, beside the starts themselves.

With several devices an epoch sees a segment on each of them, spaced evenly over the record. Shared parameters move
along the mean gradient, the starts of every segment as if it had been seen alone.
"""

from __future__ import annotations

from typing import NamedTuple

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
from stradiff.train.minibatches import Minibatches, Segment, minibatch_terms
from stradiff.train.objective import Terms, draw_noise, total
from stradiff.train.step import ADAM, StepSettings, TrainInfo, TrainState, learning_rates, repeated, updated

PULL = 1.0  # nats per sample: for a mean of one, or a variance e times too large
START_ADAM = optax.scale_by_adam()  # its count is an array: the visits of every sample
STEADY = 4  # segments; where there are more, the networks move in a pass as far as in so many epochs
SEGMENTS = "segments"  # the mesh axis


class SegmentRecords(NamedTuple):
    """The sources of every segment, and their slopes, at its last visit."""

    first: Float[Array, "count n"]
    """Sums of its sources, before they are standardised, .."""
    second: Float[Array, "count n"]
    """.. and of their squares."""
    slopes: Moments
    """Of the segment's objective in mean and variance: ``(count, n)`` each."""
    seen: Float[Array, " count"]
    """1 from the first visit on."""

    def moments(self, n_samples: int) -> Moments:
        """Of the record."""
        mean = jnp.sum(self.first, axis=0) / n_samples
        return Moments(mean, jnp.sum(self.second, axis=0) / n_samples - mean**2)

    def gains(self, moments: Moments, n_samples: int) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """Slopes of the objective in the record's sums of a source and of its square, the pull on its moments added."""
        n_seen = jnp.maximum(jnp.sum(self.seen), 1.0)
        by_mean, by_variance = (jnp.sum(slopes, axis=0) / n_seen for slopes in self.slopes)
        by_mean += 2.0 * PULL * n_samples * moments.mean
        variance = moments.variance + MIN_SCALE**2  # zero where training starts at nothing
        by_variance += 2.0 * PULL * n_samples * jnp.log(variance) / variance
        # variance = second / T - mean^2
        return (by_mean - 2.0 * moments.mean * by_variance) / n_samples, by_variance / n_samples


class MinibatchState(NamedTuple):
    """What one epoch passes to the next."""

    model: Model
    optimiser: optax.OptState
    """Of all parameters but the starts."""
    starts: optax.ScaleByAdamState
    """Of the starts, ``(n, T)`` as they are; ``count`` is ``(1, T)``."""
    records: SegmentRecords
    key: PRNGKeyArray
    epoch: Array


State = TrainState | MinibatchState


class Evaluation(NamedTuple):
    """The objective of one segment, and what is kept of its visit."""

    info: TrainInfo
    sums: tuple[Array, Array]
    """Of its sources and of their squares."""
    slopes: Moments
    start: Start
    """Gradient in the starts of its samples."""


def init(model: Model, key: PRNGKeyArray, minibatches: Minibatches) -> MinibatchState:
    """The state before the first epoch."""
    raw = over_sources(Branch.at, model.branches, jnp.zeros_like(model.branches.start.mean))
    flat = jnp.zeros((minibatches.count, model.n_sources), raw.dtype)
    unseen = jnp.zeros(minibatches.count, raw.dtype)
    starts = START_ADAM.init(model.branches.start)._replace(count=jnp.zeros((1, model.n_samples), jnp.int32))
    records = SegmentRecords(minibatches.sums(raw), minibatches.sums(raw**2), Moments(flat, flat), unseen)
    return MinibatchState(model, ADAM.init(_without_start(model)), starts, records, key, jnp.zeros((), jnp.int32))


def step(
    state: MinibatchState,
    observed: Float[Array, "T m"],
    settings: StepSettings,
    learning_rate: Array | float,
    minibatches: Minibatches,
    mask: Mask = None,
) -> tuple[MinibatchState, TrainInfo]:
    """One epoch: a segment on each device, a draw, and a step of all parameters that it depends on."""
    shared = _without_start(state.model)
    indices = _segments_of_epoch(state, minibatches)
    evaluations, gradient = _evaluations(state, indices, observed, settings, minibatches, mask)
    direction, optimiser = ADAM.update(gradient, state.optimiser)
    slow = min(1.0, STEADY / minibatches.epochs_per_pass)
    networks = jax.tree.map(lambda change: slow * change, direction.branches)
    direction = eqx.tree_at(lambda m: m.branches, direction, networks)
    rates = learning_rates(learning_rate, settings)
    shared = updated(shared, direction, rates(state.epoch), settings)
    start, moments, records = state.model.branches.start, state.starts, state.records
    for index, evaluation in zip(indices, evaluations, strict=True):
        segment = Segment.of(index, minibatches)
        start, moments = _updated_starts(start, moments, evaluation, segment, minibatches, rates)
        latest = SegmentRecords(*evaluation.sums, evaluation.slopes, jnp.ones((), jnp.float32))
        records = jax.tree.map(lambda rows, row, index=index: rows.at[index].set(row), records, latest)
    whole = (start, shared.mixing.normalised())
    model = eqx.tree_at(lambda m: (m.branches.start, m.mixing), shared, whole, is_leaf=lambda x: x is None)
    infos = [evaluation.info for evaluation in evaluations]
    info = jax.tree.map(lambda *each: jnp.mean(jnp.stack(each), axis=0), *infos)
    info = info._replace(length_scales=model.priors.length_scales)
    return MinibatchState(model, optimiser, moments, records, state.key, state.epoch + 1), info


def _segments_of_epoch(state: MinibatchState, minibatches: Minibatches) -> list[Array]:
    """Indices of the segments that the epoch sees, as far from one another as they can be."""
    apart = minibatches.epochs_per_pass
    order = jax.random.permutation(jax.random.fold_in(state.key, -1 - state.epoch // apart), apart)
    return [order[state.epoch % apart] + apart * k for k in range(minibatches.at_once)]


def _evaluations(
    state: MinibatchState,
    indices: list[Array],
    observed: Float[Array, "T m"],
    settings: StepSettings,
    minibatches: Minibatches,
    mask: Mask,
) -> tuple[list[Evaluation], Model]:
    """An evaluation of every segment, each on a device of its own, and the mean gradient of the shared parameters."""
    if len(indices) == 1:
        evaluation, gradient = _evaluation(state, indices[0], state.epoch, observed, settings, minibatches, mask)
        return [evaluation], gradient

    def on_one_device(
        state: MinibatchState,
        observed: Float[Array, "T m"],
        mask: Mask,
        index: Int[Array, " 1"],
        draw: Int[Array, " 1"],
    ) -> tuple[Evaluation, Model]:
        evaluation, gradient = _evaluation(state, index[0], draw[0], observed, settings, minibatches, mask)
        return jax.lax.all_gather(evaluation, SEGMENTS), jax.lax.pmean(gradient, SEGMENTS)

    whole, own = PartitionSpec(), PartitionSpec(SEGMENTS)
    sharded = jax.shard_map(on_one_device, in_specs=(whole, whole, whole, own, own), out_specs=whole, check_vma=False)
    draws = state.epoch * len(indices) + jnp.arange(len(indices), dtype=state.epoch.dtype)
    stacked, gradient = sharded(state, observed, mask, jnp.stack(indices), draws)
    return [jax.tree.map(lambda rows, k=k: rows[k], stacked) for k in range(len(indices))], gradient


def _evaluation(
    state: MinibatchState,
    index: Array,
    draw: Array,
    observed: Float[Array, "T m"],
    settings: StepSettings,
    minibatches: Minibatches,
    mask: Mask,
) -> tuple[Evaluation, Model]:
    """Segment ``index`` with the random numbers of ``draw``, and its gradient in all parameters but the starts."""
    segment = Segment.of(index, minibatches)
    start = jax.tree.map(lambda rows: segment.rows(rows, minibatches, axis=1), state.model.branches.start)
    rows = segment.rows(observed, minibatches)
    mask = None if mask is None else segment.rows(mask, minibatches)
    share = (minibatches.length - 1) / (minibatches.n_samples - 1)
    moments = state.records.moments(minibatches.n_samples)
    first_gain, second_gain = state.records.gains(moments, minibatches.n_samples)

    def loss(
        parameters: tuple[Model, Start], moments: Moments
    ) -> tuple[Array, tuple[Array, Terms, Array, tuple[Array, Array]]]:
        model = parameters[0].of_segment(parameters[1], share)
        noise = draw_noise(model, jax.random.fold_in(state.key, draw))
        terms, mse, sums = minibatch_terms(model, rows, segment, minibatches, moments, noise, settings.objective, mask)
        value = total(terms, settings.objective)
        through_moments = first_gain @ sums[0] + second_gain @ sums[1] if model.standardise else 0.0
        return value + minibatches.count * through_moments, (value, terms, mse, sums)

    differentiate = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)
    (_, (value, terms, mse, sums)), (gradient, slopes) = differentiate((_without_start(state.model), start), moments)
    info = TrainInfo(value, terms, mse, state.model.priors.length_scales)
    return Evaluation(info, sums, slopes, gradient[1]), gradient[0]


def _updated_starts(
    start: Start,
    moments: optax.ScaleByAdamState,
    evaluation: Evaluation,
    segment: Segment,
    minibatches: Minibatches,
    rates: optax.Schedule,
) -> tuple[Start, optax.ScaleByAdamState]:
    """Adam for the samples that were seen, each with the learning rate of its own count.

    In a loop of one turn, whose turns XLA cannot count (none, where the objective is no number): else it computes parts
    of the step over and over from the whole arrays, and needs two copies of each of these in every epoch.
    """

    def adam(_: Array, mask: tuple[Start, optax.ScaleByAdamState]) -> tuple[Start, optax.ScaleByAdamState]:
        direction, moments = START_ADAM.update(evaluation.start, mask[1])
        rate = rates(moments.count)
        return optax.apply_updates(mask[0], jax.tree.map(lambda change: -rate * change, direction)), moments

    def put(rows: Array, new: Array) -> Array:
        return jax.lax.dynamic_update_slice_in_dim(rows, new, segment.first, 1)

    record = start, moments
    mask = jax.tree.map(lambda rows: segment.rows(rows, minibatches, axis=1), record)
    changed = jax.lax.fori_loop(0, jnp.isfinite(evaluation.info.total).astype(jnp.int32), adam, mask)
    result: tuple[Start, optax.ScaleByAdamState] = jax.tree.map(put, record, changed)
    return result


def _without_start(model: Model) -> Model:
    return eqx.tree_at(lambda m: m.branches.start, model, None)


@eqx.filter_jit
def run(
    state: MinibatchState,
    observed: Float[Array, "T m"],
    minibatches: Minibatches,
    settings: StepSettings,
    learning_rate: Array,
    n_epochs: Array,
    mask: Mask = None,
) -> tuple[MinibatchState, TrainInfo]:
    """``n_epochs`` (at most CHUNK) epochs in one compiled loop, with a row of info for each (``repeated``)."""
    return repeated(lambda state: step(state, observed, settings, learning_rate, minibatches, mask), state, n_epochs)
