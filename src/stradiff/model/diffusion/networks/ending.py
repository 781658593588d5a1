"""A network on a trajectory that ends before its array does."""

from __future__ import annotations

from jaxtyping import Array, Bool, Float

from stradiff.model.diffusion.networks.base import Network
from stradiff.model.diffusion.networks.convolutional import ConvolutionalNetwork


class MaskedConvolutionalNetwork(Network):
    """A convolutional network that sees of every trajectory what is ``inside``, as if nothing came after.

    There it gives what the network gives for the trajectory cut off at its end, and beyond it gives no noise.
    """

    network: ConvolutionalNetwork
    inside: Bool[Array, " T"]

    def __call__(self, trajectory: Float[Array, " T"], level: Float[Array, ""]) -> Float[Array, " T"]:
        """eps_theta(x, tau / L)."""
        return self.network.until(trajectory, level, self.inside)
