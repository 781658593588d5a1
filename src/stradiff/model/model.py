"""The whole model as one pytree of all that is learned: branches + priors + mixing (Figure 1 of the paper)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from stradiff.model.branches import Branch, over_recordings, over_sources
from stradiff.model.concatenation import Concatenation
from stradiff.model.mixing import Mixing
from stradiff.model.priors import PriorSet
from stradiff.model.source_sharding import replicate
from stradiff.model.start import Start

MIN_SCALE = 1e-6  # a source flatter than this over time is divided by it instead of by its own deviation


class Moments(NamedTuple):
    """Mean and variance of the sources over the record, before they are standardised; or what belongs to each."""

    mean: Float[Array, "... n"]
    variance: Float[Array, "... n"]


class Model(eqx.Module):
    """Sources stand in rows here, ``(n, T)``: a branch and a prior are written for one trajectory and mapped over n.

    Parameters
    ----------
    branches : one per source, their arrays stacked along a leading axis of length n.
    priors : one per source, of one family or of several.
    mixing : the map g_phi.
    standardise : whether a source is centred and scaled to unit variance over time before prior and map see it.
        The paper does not; a nonlinear map leaves the scale of its sources open, and this closes it.
    layout : the recordings whose trajectories ``(n, T)`` these are, laid end to end; None for one recording. Networks,
        priors and the map are shared by all of them, and unit variance is that over all of them.
    moments : with which sources are standardised, of a recording that was one of several; None: their own.
    """

    branches: Branch
    priors: PriorSet
    mixing: Mixing
    standardise: bool = eqx.field(static=True)
    layout: Concatenation | None = eqx.field(static=True, default=None)
    moments: Moments | None = None

    @property
    def n_sources(self) -> int:
        """Number of sources n."""
        return self.branches.start.mean.shape[0]

    @property
    def n_samples(self) -> int:
        """Number of samples T, those of all layout and their padding together."""
        return self.branches.start.mean.shape[1]

    @property
    def length(self) -> int:
        """Number of samples that networks and priors see at once: T, or those of the longest part."""
        return self.n_samples if self.layout is None else self.layout.length

    def sample(self, key: PRNGKeyArray) -> Float[Array, "n T"]:
        """S = f_Theta(Z), Z ~ q(Z) (Eqs. 8, 9, 16, 33)."""
        keys = jax.random.split(key, self.n_sources)
        if (layout := self.layout) is not None:
            keys = jax.vmap(lambda key: jax.random.split(key, layout.n_recordings))(keys)
            return self._scaled(self._joined(over_recordings(Branch.sample, self.branches, layout, keys)))
        return self._scaled(over_sources(Branch.sample, self.branches, keys))

    def at(self, noise: Float[Array, "n T"]) -> Float[Array, "n T"]:
        """The sources that standard-normal ``noise`` is mapped to."""
        return self._scaled(self.raw(noise))

    @eqx.filter_jit
    def at_mean(self) -> Float[Array, "n T"]:
        """The sources that the mean start is mapped to."""
        return self.at(jnp.zeros_like(self.branches.start.mean))

    def raw(self, noise: Float[Array, "n T"]) -> Float[Array, "n T"]:
        """The same before any standardisation."""
        return self._over_trajectories(Branch.at, noise)

    def paths(self, noise: Float[Array, "n T"]) -> Float[Array, "n states T"]:
        """x_L .. x_0 of every source, before any standardisation."""
        return self._over_trajectories(Branch.path, noise)

    def _over_trajectories(self, function: Callable[..., Array], *arrays: Float[Array, "n T"]) -> Array:
        """``function(branch, *rows)`` of every source, part by part; trajectories along the last axis."""
        if self.layout is None:
            return over_sources(function, self.branches, *arrays)
        return self._joined(over_recordings(function, self.branches, self.layout, *map(self.layout.by_recording, arrays)))

    def _joined(self, rows: Float[Array, "n R ..."]) -> Array:
        """Concatenation end to end again, along the last axis."""
        return jnp.concatenate(list(jnp.moveaxis(rows, 1, 0)), axis=-1)

    def mix(self, sources: Float[Array, "n T"]) -> Float[Array, "T m"]:
        """Y^ = g_phi(S) (Eqs. 5, 22)."""
        return jax.vmap(self.mixing, in_axes=1)(replicate(sources))  # a sample needs all of its sources

    def log_prior(self, sources: Float[Array, "n T"], times: Float[Array, " T"] | None) -> Float[Array, ""]:
        """log p(S) = sum_k log p(s_k) (Eqs. 19, 20)."""
        if self.layout is not None:
            return jnp.sum(self.priors.log_prob_of_recordings(self.layout.by_recording(sources)))
        return jnp.sum(self.priors.log_prob(sources, times))

    def of_segment(self, start: Start, share: float) -> Model:
        """The model of a part of the record, ``share`` of its span on a regular grid, with these starts."""
        priors = self.priors.of_segment(share)
        return eqx.tree_at(lambda m: (m.branches.start, m.priors), self, (start, priors), is_leaf=lambda x: x is None)

    def recordings(self, *, padded: bool = False) -> list[Model]:
        """The model of every recording alone, of its own length, or ``padded``: of the longest.

        What standardises all of them together, at the mean start, standardises each.
        """
        layout = self.layout
        assert layout is not None, "one recording has no others beside it"
        moments = moments_of(self.raw(jnp.zeros_like(self.branches.start.mean)), layout) if self.standardise else None
        every = []
        for number, share in enumerate(layout.relative_spans().tolist()):
            first = layout.rows(number).start
            where = slice(first, first + layout.length) if padded else layout.rows(number)
            start = jax.tree.map(lambda rows, where=where: rows[:, where], self.branches.start)
            alone = self._with_start(start) if padded or share == 1.0 else self.of_segment(start, share)
            every.append(Model(alone.branches, alone.priors, alone.mixing, self.standardise, None, moments))
        return every

    def _with_start(self, start: Start) -> Model:
        return eqx.tree_at(lambda m: m.branches.start, self, start, is_leaf=lambda x: x is None)

    def _scaled(self, sources: Float[Array, "n T"]) -> Float[Array, "n T"]:
        if not self.standardise:
            return sources
        moments = self.moments if self.layout is None else moments_of(sources, self.layout)
        if moments is None:
            return standardised(sources)
        return (sources - moments.mean[:, None]) / jnp.sqrt(moments.variance + MIN_SCALE**2)[:, None]


def standardised(sources: Float[Array, "n T"]) -> Float[Array, "n T"]:
    """Every row with zero mean and unit variance."""
    centred = sources - jnp.mean(sources, axis=1, keepdims=True)
    return centred / jnp.sqrt(jnp.mean(centred**2, axis=1, keepdims=True) + MIN_SCALE**2)


def moments_of(sources: Float[Array, "n T"], layout: Concatenation) -> Moments:
    """Of every row over all layout, but for their padding."""
    inside = jnp.asarray(layout.mask.ravel(), sources.dtype)
    mean = sources @ inside / sum(layout.lengths)
    return Moments(mean, (sources - mean[:, None]) ** 2 @ inside / sum(layout.lengths))
