"""Generators of the sources: a Gaussian start and a reverse diffusion for each (Eqs. 2-4, 16, 25, 26).

Ablations have one network shared by all sources, or none.
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
    """f_theta of one source; a model has n of them, stacked along a leading axis.

    ``shared``: there is one network for all sources, not stacked. Without a network the source is its start, s = z.
    """

    start: Start
    network: Network | None
    schedule: Schedule = eqx.field(static=True)
    shared: bool = eqx.field(static=True, default=False)

    @property
    def gain(self) -> float:
        """Gain from start to source while the network predicts zero: 1 / sqrt(abar_L)."""
        return 1.0 if self.network is None else float(1.0 / np.sqrt(self.schedule.alpha_bar[-1]))

    def sample(self, key: PRNGKeyArray) -> Float[Array, " T"]:
        """s = f_theta(z), z ~ q(z) (Eqs. 9, 15, 33)."""
        return generate(self.network, self.start.sample(key), self.schedule)

    def at(self, noise: Float[Array, " T"]) -> Float[Array, " T"]:
        """The source of standard-normal ``noise``."""
        return generate(self.network, self.start.at(noise), self.schedule)

    def path(self, noise: Float[Array, " T"]) -> Float[Array, "states T"]:
        """x_L .. x_0 from the start of ``noise``."""
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
    """``function(branch, *arrays)`` of all sources, mapped over the leading axis of all but a shared network."""
    shared_network, networks = (branches.network, None) if branches.shared else (None, branches.network)

    def of_sources(shared_network: Network | None, starts: Start, networks: Network | None, *arrays: Array) -> Array:
        def of_source(start: Start, network: Network | None, *arrays: Array) -> Array:
            return function(Branch(start, shared_network or network, branches.schedule), *arrays)

        result: Array = eqx.filter_vmap(of_source)(starts, networks, *arrays)
        return result

    return shard_by_source(of_sources, shared_network, branches.start, networks, *arrays)


def over_recordings(function: Callable[..., Array], branches: Branch, layout: Concatenation, *arrays: Array) -> Array:
    """``function(branch, *arrays)`` of all sources and recordings; arrays and result ``(n, R, ..)``.

    Each recording has its own start; the network is that of the source, masked beyond the end of the recording.
    """
    masks = None if layout.equal_lengths else jnp.asarray(layout.mask)

    def of_source(branch: Branch, *arrays: Array) -> Array:
        starts = jax.tree.map(lambda rows: rows.reshape(layout.n_recordings, layout.length), branch.start)

        def of_recording(start: Start, mask: Array | None, *arrays: Array) -> Array:
            network = branch.network
            if mask is not None and isinstance(network, ConvolutionalNetwork):
                network = MaskedConvolutionalNetwork(network, mask)
            return function(Branch(start, network, branch.schedule), *arrays)

        result: Array = eqx.filter_vmap(of_recording)(starts, masks, *arrays)
        return result

    return over_sources(of_source, branches, *arrays)
