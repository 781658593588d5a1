"""The priors of all sources together: families may differ from source to source, parameters always do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from tinygp.solvers.quasisep.core import SymmQSM

from stradiff.model.priors.ascent import best_row
from stradiff.model.priors.base import Prior
from stradiff.model.source_sharding import n_source_shards, shard_by_source

TRIED = 5  # trajectories a prior is tuned to before the best is taken: one of them is seldom of its own kind


class PriorSet(eqx.Module):
    """One prior per source. Sources of one family share a group, so that compiling does not grow with n.

    Parameters
    ----------
    groups : one stacked prior per family, its arrays with a leading axis over the sources of the group.
    places : which sources the rows of each group belong to.
    names : what the prior of every source is called.
    """

    groups: tuple[Prior, ...]
    places: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)

    @classmethod
    def of(cls, priors: Sequence[Prior], names: Sequence[str]) -> PriorSet:
        """The set of priors given one by one, in the order of the sources; all fields must be arrays or static."""
        families: dict[Any, list[int]] = {}
        for k, prior in enumerate(priors):
            leaves, structure = jax.tree.flatten(prior)
            family = (structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves))
            families.setdefault(family, []).append(k)
        places = tuple(tuple(group) for group in families.values())
        return cls(tuple(_stacked([priors[k] for k in group]) for group in places), places, tuple(names))

    @property
    def n_sources(self) -> int:
        """Number of sources n."""
        return sum(map(len, self.places))

    def prior(self, k: int) -> Prior:
        """The prior of source k alone."""
        group, row = next((g, place.index(k)) for g, place in enumerate(self.places) if k in place)
        return jax.tree.map(lambda leaf: leaf[row], self.groups[group])

    def log_prob(self, sources: Float[Array, "n T"], times: Float[Array, " T"] | None) -> Float[Array, " n"]:
        """Log-density of every source (Eq. 20)."""
        return self._in_order(self._mapped(lambda prior, source, times: prior.log_prob(source, times), sources, times))

    def log_prob_of_recordings(self, sources: Float[Array, "n R T"]) -> Float[Array, " n"]:
        """Log-density of every source, summed over its R independent trajectories on a regular grid."""
        return self.per_source(_log_prob_of_all, sources)

    def spectra(self, omega: Float[Array, " F"], n_samples: int) -> Float[Array, "n F"]:
        """Power spectrum of every source at ``omega``; see ``Prior.spectrum``."""
        return self._in_order([eqx.filter_vmap(lambda p: p.spectrum(omega, n_samples))(group) for group in self.groups])

    def precisions(self, omega: Float[Array, " F"], n_samples: int) -> Float[Array, "n F"]:
        """Fisher information of every source at ``omega``; see ``Prior.precision_spectrum``."""
        rows = [eqx.filter_vmap(lambda p: p.precision_spectrum(omega, n_samples))(group) for group in self.groups]
        return self._in_order(rows)

    def covariances(self, times: Float[Array, " T"]) -> Float[Array, "n T T"]:
        """Covariance of every source at irregular times; see ``Prior.covariance``."""
        return self._in_order([eqx.filter_vmap(lambda p: p.covariance(times))(group) for group in self.groups])

    def quasi_separable(self, times: Float[Array, " T"]) -> tuple[SymmQSM, ...] | None:
        """The same in O(T) numbers, group by group; None where a prior has no such form."""
        groups = [eqx.filter_vmap(lambda p: p.quasi_separable(times))(group) for group in self.groups]
        return None if any(group is None for group in groups) else tuple(groups)

    def of_segment(self, share: float) -> PriorSet:
        """The priors of a segment of the record; see ``Prior.of_segment``."""
        groups = tuple(eqx.filter_vmap(lambda prior: prior.of_segment(share))(group) for group in self.groups)
        return PriorSet(groups, self.places, self.names)

    @property
    def length_scales(self) -> Float[Array, " n"]:
        """Length-scale of every source, in units of the record."""
        return self._in_order([eqx.filter_vmap(lambda prior: prior.length_scale)(group) for group in self.groups])

    def tuned(self, sources: Float[Array, "n T"], times: Float[Array, " T"] | None) -> PriorSet:
        """Every prior with its parameters where its source is likeliest; see ``Prior.tuned``."""
        tuned = self._mapped(lambda prior, source, times: prior.tuned(source, times), sources, times)
        return PriorSet(tuple(tuned), self.places, self.names)

    def tuned_to_recordings(self, sources: Float[Array, "n R T"]) -> PriorSet:
        """Every prior tuned to one of the trajectories, that with which all of them are likeliest."""
        tried = np.unique(np.linspace(0, sources.shape[1] - 1, TRIED).round().astype(int))

        def tuned(prior: Prior, source: Float[Array, "R T"], _: None) -> Prior:
            rows = jax.lax.map(lambda part: prior.tuned(part, None), source[tried])
            best: Prior = best_row(rows, lambda prior: _log_prob_of_all(prior, source))
            return best

        return PriorSet(tuple(self._mapped(tuned, sources, None)), self.places, self.names)

    def per_source(self, function: Callable[[Prior, Array], Array], sources: Float[Array, "n ..."]) -> Array:
        """``function(prior, source)`` for every source, in the order of the sources."""
        return self._in_order(self._mapped(lambda prior, source, _: function(prior, source), sources, None))

    def _mapped(self, function: Callable[..., Any], sources: Float[Array, "n ..."], common: Array | None) -> list[Any]:
        """``function(prior, source, common)`` group by group, and within a group one after the other.

        A loop, not a vmap: under vmap a prior that chooses between two computations would do both.
        """

        def group_after(common: Array | None, group: Prior, sources: Float[Array, "k ..."]) -> Any:
            return jax.lax.map(lambda pair: function(*pair, common), (group, sources))

        return [
            shard_by_source(group_after, common, group, _rows(sources, place))
            for group, place in zip(self.groups, self.places, strict=True)
        ]

    def _in_order(self, rows: list[Array]) -> Array:
        """Rows of all groups, in the order of the sources."""
        return jnp.concatenate(rows)[np.argsort(np.concatenate(self.places))]


def _rows(sources: Float[Array, "n ..."], place: tuple[int, ...]) -> Float[Array, "k ..."]:
    if n_source_shards() > 1 and place == tuple(range(len(sources))):
        return sources  # picking rows from shared ones would gather them
    return sources[np.asarray(place)]


def _log_prob_of_all(prior: Prior, parts: Float[Array, "R T"]) -> Float[Array, ""]:
    return jnp.sum(jax.lax.map(lambda part: prior.log_prob(part, None), parts))


def _stacked(priors: list[Prior]) -> Prior:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *priors)
