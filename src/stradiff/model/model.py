"""The complete model as one pytree of trainable arrays: branches, priors and mixing (Figure 1 of the paper)."""

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

MIN_SCALE = 1e-6  # added in quadrature to the standard deviation by which a source is divided


class Moments(NamedTuple):
    """Mean and variance over time of the sources before standardisation, or derivatives with respect to them."""

    mean: Float[Array, "... n"]
    variance: Float[Array, "... n"]


class Model(eqx.Module):
    """Generative model of a recording; sources are rows, ``(n, T)``.

    Parameters
    ----------
    branches : one per source, their arrays stacked along a leading axis of length n.
    priors : one per source, of one family or of several.
    mixing : the map g_phi.
    standardise : whether sources have zero mean and unit variance over time before prior and map. The paper does not
        standardise; it fixes the scale that a nonlinear map leaves undetermined.
    layout : layout of concatenated recordings in ``(n, T)``; None for one recording. Networks, priors and the map are
        common to all of them, and unit variance is that over all of them.
    moments : fixed moments of the standardisation, of a recording extracted from several; None: those of the sources.
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
        """Number of samples T, of all recordings and their padding."""
        return self.branches.start.mean.shape[1]

    @property
    def length(self) -> int:
        """Number of samples of one trajectory of networks and priors: T, or that of the longest recording."""
        return self.n_samples if self.layout is None else self.layout.length

    def sample(self, key: PRNGKeyArray) -> Float[Array, "n T"]:
        """S = f_Theta(Z), Z ~ q(Z) (Eqs. 8, 9, 16, 33)."""
        keys = jax.random.split(key, self.n_sources)
        if (layout := self.layout) is None:
            return self._standardised(over_sources(Branch.sample, self.branches, keys))
        keys = jax.vmap(lambda key: jax.random.split(key, layout.n_recordings))(keys)
        return self._standardised(_concatenated(over_recordings(Branch.sample, self.branches, layout, keys)))

    def at(self, noise: Float[Array, "n T"]) -> Float[Array, "n T"]:
        """The sources of standard-normal ``noise``."""
        return self._standardised(self.raw(noise))

    @eqx.filter_jit
    def at_mean(self) -> Float[Array, "n T"]:
        """The sources of the mean start."""
        return self.at(jnp.zeros_like(self.branches.start.mean))

    def raw(self, noise: Float[Array, "n T"]) -> Float[Array, "n T"]:
        """The sources of ``noise`` before standardisation."""
        return self._over_trajectories(Branch.at, noise)

    def paths(self, noise: Float[Array, "n T"]) -> Float[Array, "n states T"]:
        """x_L .. x_0 of every source, before standardisation."""
        return self._over_trajectories(Branch.path, noise)

    def _over_trajectories(self, function: Callable[..., Array], *arrays: Float[Array, "n T"]) -> Array:
        """``function(branch, *rows)`` of every source and recording; time is the last axis."""
        if self.layout is None:
            return over_sources(function, self.branches, *arrays)
        rows = map(self.layout.by_recording, arrays)
        return _concatenated(over_recordings(function, self.branches, self.layout, *rows))

    def mix(self, sources: Float[Array, "n T"]) -> Float[Array, "T m"]:
        """Y^ = g_phi(S) (Eqs. 5, 22)."""
        return jax.vmap(self.mixing, in_axes=1)(replicate(sources))  # a sample depends on all sources

    def log_prior(self, sources: Float[Array, "n T"], times: Float[Array, " T"] | None) -> Float[Array, ""]:
        """log p(S) = sum_k log p(s_k) (Eqs. 19, 20)."""
        if self.layout is not None:
            return jnp.sum(self.priors.log_prob_of_recordings(self.layout.by_recording(sources)))
        return jnp.sum(self.priors.log_prob(sources, times))

    def of_segment(self, start: Start, share: float) -> Model:
        """The model of a segment with the given starts, ``share`` of the span of the record, on a regular grid."""
        priors = self.priors.of_segment(share)
        return eqx.tree_at(lambda m: (m.branches.start, m.priors), self, (start, priors), is_leaf=lambda x: x is None)

    def per_recording(self, *, padded: bool = False) -> list[Model]:
        """Models of the individual recordings, of their own lengths or ``padded`` to the longest.

        Each is standardised by the moments of all recordings together, at the mean start.
        """
        layout = self.layout
        assert layout is not None, "a model of a single recording"
        moments = moments_of(self.raw(jnp.zeros_like(self.branches.start.mean)), layout) if self.standardise else None
        models = []
        for number, share in enumerate(layout.relative_spans().tolist()):
            rows = layout.rows(number)
            if padded:
                rows, share = slice(rows.start, rows.start + layout.length), 1.0
            start = jax.tree.map(lambda values, rows=rows: values[:, rows], self.branches.start)
            priors = self.priors if share == 1.0 else self.priors.of_segment(share)
            branches = Branch(start, self.branches.network, self.branches.schedule, self.branches.shared)
            models.append(Model(branches, priors, self.mixing, self.standardise, None, moments))
        return models

    def _standardised(self, sources: Float[Array, "n T"]) -> Float[Array, "n T"]:
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
    """Moments of every row over all recordings, without their padding."""
    mask = jnp.asarray(layout.mask.ravel(), sources.dtype)
    mean = sources @ mask / sum(layout.lengths)
    return Moments(mean, (sources - mean[:, None]) ** 2 @ mask / sum(layout.lengths))


def _concatenated(rows: Float[Array, "n R ..."]) -> Array:
    """Recordings concatenated along time, the last axis."""
    return jnp.concatenate(list(jnp.moveaxis(rows, 1, 0)), axis=-1)
