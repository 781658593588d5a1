"""One generator per source: a Gaussian start and a reverse diffusion of its own (Eqs. 2-4, 16, 25, 26).

Two ablations show what the diffusions are for: one network shared by all sources, and none at all.
"""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from stradiff.model.concatenation import Concatenation
from stradiff.model.diffusion.networks import ConvolutionalNetwork, MaskedConvolutionalNetwork, Network
from stradiff.model.diffusion.reverse import generate, reverse_path
from stradiff.model.diffusion.schedule import Schedule
from stradiff.model.source_sharding import shard_by_source
from stradiff.model.start import Start


class Branch(eqx.Module):
    """f_theta of one source; the model holds n of them, stacked along a leading axis.

    ``shared``: the network is not stacked but one for all. Without a network the source is its start, s = z.
    """

    start: Start
    network: Network | None
    schedule: Schedule = eqx.field(static=True)
    shared: bool = eqx.field(static=True, default=False)

    @property
    def gain(self) -> float:
        """What the start is multiplied by while the network is silent: 1 / sqrt(abar_L)."""
        return 1.0 if self.network is None else float(1.0 / np.sqrt(self.schedule.alpha_bar[-1]))

    def sample(self, key: PRNGKeyArray) -> Float[Array, " T"]:
        """s = f_theta(z), z ~ q(z) (Eqs. 9, 15, 33)."""
        return generate(self.network, self.start.sample(key), self.schedule)

    def at(self, noise: Float[Array, " T"]) -> Float[Array, " T"]:
        """The source that standard-normal ``noise`` is mapped to."""
        return generate(self.network, self.start.at(noise), self.schedule)

    def path(self, noise: Float[Array, " T"]) -> Float[Array, "states T"]:
        """x_L .. x_0 from the start that ``noise`` is mapped to."""
        return reverse_path(self.network, self.start.at(noise), self.schedule)

    def denoising_loss(self, source: Float[Array, " T"], tau: Array, noise: Float[Array, " T"]) -> Float[Array, ""]:
        """|eps_theta(x_tau, tau / L) - noise|^2 / T at x_tau = sqrt(abar) s + sqrt(1 - abar) noise (Eqs. 25, 26)."""
        return jnp.mean(self.denoising_error(source, tau, noise))

    def denoising_error(self, source: Float[Array, " T"], tau: Array, noise: Float[Array, " T"]) -> Float[Array, " T"]:
        """(eps_theta(x_tau, tau / L) - noise)^2 at every time; zero without a network."""
        if self.network is None:
            return jnp.zeros_like(source)
        alpha_bar = jnp.asarray(self.schedule.alpha_bar, source.dtype)[tau]
        noisy = jnp.sqrt(alpha_bar) * source + jnp.sqrt(1.0 - alpha_bar) * noise
        level = tau.astype(source.dtype) / self.schedule.length
        return (self.network(noisy, level) - noise) ** 2

    def sample_tau(self, key: PRNGKeyArray) -> Array:
        """A noise level, uniform on 1 .. L (Eq. 25)."""
        return jax.random.randint(key, (), 1, self.schedule.length + 1)


def over_sources(function: Callable[..., Array], branches: Branch, *arrays: Array) -> Array:
    """``function(branch, *arrays)`` for every source at once, over the leading axis of all but a shared network."""
    network, schedule, shared = branches.network, branches.schedule, branches.shared

    def every(common: Network | None, start: Start, own: Network | None, *arrays: Array) -> Array:
        def one(start: Start, own: Network | None, *arrays: Array) -> Array:
            return function(Branch(start, common if shared else own, schedule), *arrays)

        result: Array = eqx.filter_vmap(one)(start, own, *arrays)
        return result

    of_all, of_each = (network, None) if shared else (None, network)
    return shard_by_source(every, of_all, branches.start, of_each, *arrays)


def over_recordings(function: Callable[..., Array], branches: Branch, layout: Concatenation, *arrays: Array) -> Array:
    """``function(branch, *arrays)`` for every part of every source at once: arrays ``(n, R, ..)``, and so the result.

    A part has a start of its own; the network is the source's, and ends where the part's recording does.
    """
    inside = None if layout.equal_lengths else jnp.asarray(layout.mask)

    def recordings_of_one(branch: Branch, *arrays: Array) -> Array:
        starts = jax.tree.map(lambda rows: rows.reshape(layout.n_recordings, layout.length), branch.start)

        def one(start: Start, there: Array | None, *arrays: Array) -> Array:
            network = branch.network
            if there is not None and isinstance(network, ConvolutionalNetwork):
                network = MaskedConvolutionalNetwork(network, there)
            return function(Branch(start, network, branch.schedule), *arrays)

        result: Array = eqx.filter_vmap(one)(starts, inside, *arrays)
        return result

    return over_sources(recordings_of_one, branches, *arrays)
