"""g_phi: from sources to the recording (Eqs. 5, 22)."""

from __future__ import annotations

import abc

import equinox as eqx
from jaxtyping import Array, Float


class Mixing(eqx.Module):
    """A map R^n -> R^m, applied at every instant."""

    @abc.abstractmethod
    def __call__(self, sources: Float[Array, " n"]) -> Float[Array, " m"]:
        """The normalised observation that these sources make at one instant."""

    def inverse(self, observed: Float[Array, " m"]) -> Float[Array, " n"] | None:
        """The sources of one observation where the map has an inverse that can be written down; None elsewhere."""
        return None

    def normalised(self) -> Mixing:
        """The same map in the form it is kept in after every step (Algorithm 1, lines 20-22)."""
        return self
