"""The whole model as one pytree of all that is learned: branches + priors + mixing (Figure 1 of the paper)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from stradiff.model.branches import Branch, over_sources
from stradiff.model.mixing import Mixing
from stradiff.model.priors import PriorBank
from stradiff.model.split import on_every_device
from stradiff.model.start import Start

LEAST_SCALE = 1e-6  # a source flatter than this over time is divided by it instead of by its own deviation


class Model(eqx.Module):
    """Sources stand in rows here, ``(n, T)``: a branch and a prior are written for one trajectory and mapped over n.

    Parameters
    ----------
    branches : one per source, their arrays stacked along a leading axis of length n.
    priors : one per source, of one family or of several.
    mixing : the map g_phi.
    standardise : whether a source is centred and scaled to unit variance over time before prior and map see it.
        The paper does not; a nonlinear map leaves the scale of its sources open, and this closes it.
    """

    branches: Branch
    priors: PriorBank
    mixing: Mixing
    standardise: bool = eqx.field(static=True)

    @property
    def n_sources(self) -> int:
        """Number of sources n."""
        return self.branches.start.mean.shape[0]

    @property
    def n_samples(self) -> int:
        """Number of samples T."""
        return self.branches.start.mean.shape[1]

    def sample(self, key: PRNGKeyArray) -> Float[Array, "n T"]:
        """S = f_Theta(Z), Z ~ q(Z) (Eqs. 8, 9, 16, 33)."""
        keys = jax.random.split(key, self.n_sources)
        return self._scaled(over_sources(Branch.sample, self.branches, keys))

    def at(self, noise: Float[Array, "n T"]) -> Float[Array, "n T"]:
        """The sources that standard-normal ``noise`` is mapped to."""
        return self._scaled(over_sources(Branch.at, self.branches, noise))

    def paths(self, noise: Float[Array, "n T"]) -> Float[Array, "n states T"]:
        """x_L .. x_0 of every source, before any standardisation."""
        return over_sources(Branch.path, self.branches, noise)

    def mix(self, sources: Float[Array, "n T"]) -> Float[Array, "T m"]:
        """Y^ = g_phi(S) (Eqs. 5, 22)."""
        return jax.vmap(self.mixing, in_axes=1)(on_every_device(sources))  # a sample needs all of its sources

    def log_prior(self, sources: Float[Array, "n T"], times: Float[Array, " T"] | None) -> Float[Array, ""]:
        """log p(S) = sum_k log p(s_k) (Eqs. 19, 20)."""
        return jnp.sum(self.priors.log_prob(sources, times))

    def of_part(self, start: Start, share: float) -> Model:
        """The model of a part of the record, ``share`` of its span on a regular grid, with these starts."""
        priors = self.priors.of_part(share)
        return eqx.tree_at(lambda m: (m.branches.start, m.priors), self, (start, priors), is_leaf=lambda x: x is None)

    def _scaled(self, sources: Float[Array, "n T"]) -> Float[Array, "n T"]:
        return standardised(sources) if self.standardise else sources


def standardised(sources: Float[Array, "n T"]) -> Float[Array, "n T"]:
    """Every row with zero mean and unit variance."""
    centred = sources - jnp.mean(sources, axis=1, keepdims=True)
    return centred / jnp.sqrt(jnp.mean(centred**2, axis=1, keepdims=True) + LEAST_SCALE**2)
