"""A long recording by its segments: every term of the objective as one of them shows it.

A segment is ``size`` samples of the record, seen together with ``past`` samples before and a margin after it, which the
branches see and no term counts. The segments tile the record, and a segment's part of a sum over the record is
multiplied by their number: the mean over the segments is the term of the whole record.

* **Prior.** By the chain rule log p(s) = sum_i log p(s_i | all before s_i); the samples s_i of a segment are
  conditioned on the ``past`` ones before them alone (Vecchia 1988). Exact where a source remembers no further.
* **Unit variance.** A source's mean and variance are those of the whole record, and are given.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from stradiff.config import Objective
from stradiff.model.branches import Branch, over_sources
from stradiff.model.model import MIN_SCALE, Model, Moments
from stradiff.model.observation_mask import Mask, apply_mask, count_observed
from stradiff.train.objective import Noise, Terms, reconstruction
from stradiff.train.volume import affordable_times, log_det_at


@dataclasses.dataclass(frozen=True)
class Minibatches:
    """The ``count`` segments of a record of ``n_samples``, ``at_once`` of which are a minibatch."""

    n_samples: int
    count: int
    size: int
    past: int
    margin: int
    at_once: int = 1

    @classmethod
    def of(cls, n_samples: int, size: int, n_devices: int = 1) -> Minibatches:
        """Segments of about ``size`` samples, an eighth of that before and after each; they tile the record.

        An epoch sees one on each of ``n_devices``, as far as there are two for each: with one left out between those
        of an epoch, not even their margins overlap. Where they do not divide evenly, there are a few more segments.
        """
        around = max(size // 8, 1)
        count = max((n_samples - around) // size, 1)
        at_once = max(min(n_devices, count // 2), 1)
        count = -(-count // at_once) * at_once
        size = (n_samples - around) // count
        return cls(n_samples, count, size, n_samples - count * size, around if count > 1 else 0, at_once)

    @property
    def epochs_per_pass(self) -> int:
        """Epochs in which every segment is seen once."""
        return self.count // self.at_once

    @property
    def span(self) -> int:
        """Samples of a segment and of its past."""
        return self.past + self.size

    @property
    def length(self) -> int:
        """All samples that are seen of a segment: its past, itself and the margin."""
        return self.span + self.margin

    def sums(self, rows: Float[Array, "n T"]) -> Float[Array, "count n"]:
        """Of every row over each segment; the first one includes the past before it."""
        first = np.arange(self.count) * self.size + self.past
        first[0] = 0
        return jnp.add.reduceat(rows, first, axis=1).T


class Segment(NamedTuple):
    """The position of a segment."""

    first: Array
    """Sample of the record that the seen samples begin with."""
    offset: Array
    """Where among them the span begins: the past, and the segment after it."""
    is_first: Array
    """The first segment has no past: the samples in its place belong to it."""

    @classmethod
    def of(cls, index: Array, minibatches: Minibatches) -> Segment:
        """The position of segment ``index``, from 0."""
        begin = index * minibatches.size
        first = jnp.minimum(begin, minibatches.n_samples - minibatches.length)
        return cls(first, begin - first, index == 0)

    def rows(self, record: Array, minibatches: Minibatches, axis: int = 0) -> Array:
        """The ``length`` seen samples, of an array of the whole record with time along ``axis``."""
        return jax.lax.dynamic_slice_in_dim(record, self.first, minibatches.length, axis)

    def own(self, minibatches: Minibatches) -> Float[Array, " span"]:
        """1 for the samples of a span that belong to this segment, 0 for those of its past."""
        past = (jnp.arange(minibatches.span) < minibatches.past) & ~self.is_first
        return jnp.where(past, 0.0, 1.0).astype(jnp.float32)


def minibatch_terms(
    model: Model,
    observed: Float[Array, "length m"],
    segment: Segment,
    minibatches: Minibatches,
    moments: Moments,
    noise: Noise,
    weights: Objective,
    mask: Mask = None,
) -> tuple[Terms, Float[Array, ""], tuple[Array, Array]]:
    """Every term of the whole record as one segment shows it, the mean squared error there, and its sources' sums.

    ``model`` is that of all samples seen of the segment (``Model.of_segment``); ``observed`` and ``mask`` are their
    rows. ``moments`` are those of the record.
    """

    def span(rows: Array, axis: int = 1) -> Array:
        return jax.lax.dynamic_slice_in_dim(rows, segment.offset, minibatches.span, axis)

    own, count = segment.own(minibatches), minibatches.count
    sources = over_sources(Branch.at, model.branches, noise.start)
    sums = span(sources) @ own, span(sources) ** 2 @ own
    if model.standardise:
        sources = (sources - moments.mean[:, None]) / jnp.sqrt(moments.variance + MIN_SCALE**2)[:, None]
    diffused = sources if weights.diffusion_moves_sources else jax.lax.stop_gradient(sources)
    squares = over_sources(Branch.denoising_error, model.branches, diffused, noise.tau, noise.diffusion)
    sources = span(sources)
    mask = None if mask is None else span(mask, 0)
    error = apply_mask(span(observed, 0) - model.mix(sources), mask) * own[:, None]
    divergence = over_sources(lambda branch: branch.start.kl_by_time(), model.branches)
    terms = Terms(
        reconstruction=count * reconstruction(error, weights.nu_y),
        prior=-count * _log_prior(model, sources, segment, minibatches),
        diffusion=count * jnp.mean(span(squares) @ own) / minibatches.n_samples,
        kl=count * jnp.sum(span(divergence) @ own),
        volume=_volume(model, sources, segment, minibatches, noise.times, weights)
        if weights.volume_weight
        else jnp.zeros(()),
    )
    n_seen = count_observed(None if mask is None else jax.vmap(jnp.multiply)(mask, own), jnp.sum(own) * error.shape[1])
    return terms, jnp.sum(error**2) / n_seen, sums


def _log_prior(
    model: Model, sources: Float[Array, "n span"], segment: Segment, minibatches: Minibatches
) -> Float[Array, ""]:
    """log p(span) - log p(past), which is log p(segment | past)."""

    def log_prob(sources: Float[Array, "n t"]) -> Float[Array, ""]:
        priors = model.priors.of_segment((sources.shape[1] - 1) / (minibatches.length - 1))
        return jnp.sum(priors.log_prob(sources, None))

    return log_prob(sources) - jnp.where(segment.is_first, 0.0, log_prob(sources[:, : minibatches.past]))


def _volume(
    model: Model,
    sources: Float[Array, "n span"],
    segment: Segment,
    minibatches: Minibatches,
    key: PRNGKeyArray,
    weights: Objective,
) -> Float[Array, ""]:
    """The volume term of the record, at some times of the segment."""
    n_times = affordable_times(sources.shape[0], minibatches.span)
    least = jnp.where(segment.is_first, 0, minibatches.past)
    visited = sources[:, jax.random.randint(key, (n_times,), least, minibatches.span)]
    n_own = minibatches.span - least
    return 0.5 * minibatches.count * n_own * jnp.mean(log_det_at(model, visited, minibatches.length, weights.nu_y))
