"""A long recording by its windows: what one of them says of every term of the objective.

A window is ``size`` samples of the record together with ``past`` ones before and a margin after it, which the branches
see and nothing else counts. The windows tile the record, and what a window adds to a sum over the record is multiplied
by their number: its mean over the windows is the term of the whole record.

* **Prior.** By the chain rule log p(s) = sum_i log p(s_i | all before s_i); the windows' samples s_i are given the
  ``past`` ones before them alone (Vecchia 1988). Exact where a source remembers no further.
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
    """How a record of ``n_samples`` is divided."""

    n_samples: int
    count: int
    size: int
    past: int
    margin: int
    at_once: int = 1

    @classmethod
    def of(cls, n_samples: int, size: int, n_devices: int = 1) -> Minibatches:
        """Minibatches of about ``size`` samples, an eighth of that before and after each; they tile the record.

        An epoch sees one on each of ``n_devices``, as far as there are two for each: with one left out between those
        of an epoch, not even their surroundings meet. Where they do not divide evenly, there are a few more windows.
        """
        around = max(size // 8, 1)
        count = max((n_samples - around) // size, 1)
        at_once = max(min(n_devices, count // 2), 1)
        count = -(-count // at_once) * at_once
        size = (n_samples - around) // count
        return cls(n_samples, count, size, n_samples - count * size, around if count > 1 else 0, at_once)

    @property
    def epochs_a_pass(self) -> int:
        """Epochs in which every window is seen once."""
        return self.count // self.at_once

    @property
    def piece(self) -> int:
        """Samples of a window and of the past it is given."""
        return self.past + self.size

    def sums(self, rows: Float[Array, "n T"]) -> Float[Array, "count n"]:
        """Of every row over each window; the first has the past that stands before it too."""
        begins = np.arange(self.count) * self.size + self.past
        begins[0] = 0
        return jnp.add.reduceat(rows, begins, axis=1).T

    @property
    def length(self) -> int:
        """All samples that an epoch sees."""
        return self.piece + self.margin


class Place(NamedTuple):
    """Where a window stands."""

    first: Array
    """Sample of the record that the epoch's samples begin with."""
    offset: Array
    """Where among them the past begins, and the window after it."""
    is_first: Array
    """The first window has no past: what stands there belongs to it."""

    @classmethod
    def of(cls, index: Array, windows: Minibatches) -> Place:
        """The place of window ``index``, from 0."""
        begin = index * windows.size
        first = jnp.minimum(begin, windows.n_samples - windows.length)
        return cls(first, begin - first, index == 0)

    def fresh(self, windows: Minibatches) -> Float[Array, " piece"]:
        """1 for the samples of a piece that belong to this window, 0 for those before."""
        before = (jnp.arange(windows.piece) < windows.past) & ~self.is_first
        return jnp.where(before, 0.0, 1.0).astype(jnp.float32)


def minibatch_terms(
    here: Model,
    observed: Float[Array, "length m"],
    place: Place,
    windows: Minibatches,
    moments: Moments,
    noise: Noise,
    weights: Objective,
    mask: Mask = None,
) -> tuple[Terms, Float[Array, ""], tuple[Array, Array]]:
    """Every term of the whole record as one window has it, the mean squared error there, and the window's sums.

    ``here`` is the model of all samples that the epoch sees (``Model.of_segment``); ``observed`` and ``mask`` are their
    rows. ``moments`` are those of the record.
    """

    def piece(rows: Array, axis: int = 1) -> Array:
        return jax.lax.dynamic_slice_in_dim(rows, place.offset, windows.piece, axis)

    fresh, times = place.fresh(windows), windows.count
    sources = over_sources(Branch.at, here.branches, noise.start)
    sums = piece(sources) @ fresh, piece(sources) ** 2 @ fresh
    if here.standardise:
        sources = (sources - moments.mean[:, None]) / jnp.sqrt(moments.variance + MIN_SCALE**2)[:, None]
    diffused = sources if weights.diffusion_moves_sources else jax.lax.stop_gradient(sources)
    squares = over_sources(Branch.denoising_error, here.branches, diffused, noise.tau, noise.diffusion)
    sources = piece(sources)
    there = None if mask is None else piece(mask, 0)
    error = apply_mask(piece(observed, 0) - here.mix(sources), there) * fresh[:, None]
    divergence = over_sources(lambda branch: branch.start.kl_by_time(), here.branches)
    every = Terms(
        reconstruction=times * reconstruction(error, weights.nu_y),
        prior=-times * _log_prior(here, sources, place, windows),
        diffusion=times * jnp.mean(piece(squares) @ fresh) / windows.n_samples,
        kl=times * jnp.sum(piece(divergence) @ fresh),
        volume=_volume(here, sources, place, windows, noise.times, weights) if weights.volume_weight else jnp.zeros(()),
    )
    seen_here = None if there is None else jax.vmap(jnp.multiply)(there, fresh)
    n_seen = count_observed(seen_here, jnp.sum(fresh) * error.shape[1])
    return every, jnp.sum(error**2) / n_seen, sums


def _log_prior(here: Model, piece: Float[Array, "n piece"], place: Place, windows: Minibatches) -> Float[Array, ""]:
    """log p(piece) - log p(its past), which is log p(window | past)."""

    def log_prob(sources: Float[Array, "n t"]) -> Float[Array, ""]:
        priors = here.priors.of_segment((sources.shape[1] - 1) / (windows.length - 1))
        return jnp.sum(priors.log_prob(sources, None))

    return log_prob(piece) - jnp.where(place.is_first, 0.0, log_prob(piece[:, : windows.past]))


def _volume(
    here: Model,
    piece: Float[Array, "n piece"],
    place: Place,
    windows: Minibatches,
    key: PRNGKeyArray,
    weights: Objective,
) -> Float[Array, ""]:
    """The volume term of the record, at some times of the window."""
    n_times = affordable_times(piece.shape[0], windows.piece)
    least = jnp.where(place.is_first, 0, windows.past)
    visited = piece[:, jax.random.randint(key, (n_times,), least, windows.piece)]
    n_fresh = windows.piece - least
    return 0.5 * windows.count * n_fresh * jnp.mean(log_det_at(here, visited, windows.length, weights.nu_y))
