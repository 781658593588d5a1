"""Invertible nonlinear mixing: a linear map, then affine coupling layers (RealNVP; Dinh et al. 2017)."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from stradiff.model.mixing.base import Mixing
from stradiff.model.mixing.mlp import NetworkMixingSpec

STRETCH = 1.5  # largest |log-scale| of one coupling: a channel is stretched by a factor of 4.5 at most


class Coupling(eqx.Module):
    """y = x where the mask is one, elsewhere x exp(STRETCH tanh a(x_masked)) + b(x_masked) (Dinh et al. 2017, Eq. 9).

    a and b see the kept channels only, so the inverse is as cheap as the map.
    """

    weight_in: Float[Array, "width m"]
    bias_in: Float[Array, " width"]
    weight_out: Float[Array, "2 m width"]
    bias_out: Float[Array, "2 m"]
    first: int = eqx.field(static=True)

    def __init__(self, n_channels: int, width: int, first: int, output_scale: float, *, key: PRNGKeyArray):
        into, out = jax.random.split(key)
        self.weight_in = jax.random.normal(into, (width, n_channels), jnp.float32) / math.sqrt(n_channels)
        self.bias_in = jnp.zeros(width, jnp.float32)
        self.weight_out = output_scale / math.sqrt(width) * jax.random.normal(out, (2, n_channels, width), jnp.float32)
        self.bias_out = jnp.zeros((2, n_channels), jnp.float32)
        self.first = first

    def __call__(self, channels: Float[Array, " m"]) -> Float[Array, " m"]:
        """From the sources' side to the recording's."""
        log_scale, shift = self._affine(channels)
        return channels * jnp.exp(log_scale) + shift

    def inverse(self, channels: Float[Array, " m"]) -> Float[Array, " m"]:
        """From the recording's side to the sources'."""
        log_scale, shift = self._affine(channels)
        return (channels - shift) * jnp.exp(-log_scale)

    def _affine(self, channels: Float[Array, " m"]) -> tuple[Array, Array]:
        """Log-scale and shift, zero where a channel is kept; the same before and after, as they see only those."""
        moved = np.arange(channels.shape[0]) % 2 == self.first
        seen = jnp.where(moved, 0.0, channels)
        hidden = jax.nn.silu(self.weight_in @ seen + self.bias_in)
        raw, shift = self.weight_out @ hidden + self.bias_out
        return jnp.where(moved, STRETCH * jnp.tanh(raw), 0.0), jnp.where(moved, shift, 0.0)


class InvertibleMap(Mixing):
    """g(s) = (c_D o .. o c_1)(A s), c_d couplings that move the even and the odd channels in turn.

    With m = n the map is one to one, so no two source vectors share an observation; with m > n the sources are
    embedded by A and every observation on that surface has one origin.

    Parameters
    ----------
    n_sources, n_channels, width, depth : n, m, hidden units of each coupling, number of pairs of couplings.
    output_scale : factor on the couplings' initial last layers; 0, and the map starts as A alone.
    """

    matrix: Float[Array, "m n"]
    couplings: list[Coupling]

    def __init__(
        self,
        n_sources: int,
        n_channels: int,
        width: int,
        depth: int,
        *,
        output_scale: float = 1.0,
        key: PRNGKeyArray,
    ):
        first, *keys = jax.random.split(key, 2 * depth + 1)
        matrix = jax.random.normal(first, (n_channels, n_sources), jnp.float32)
        self.matrix = matrix / jnp.linalg.norm(matrix, axis=0, keepdims=True)
        self.couplings = [Coupling(n_channels, width, d % 2, output_scale, key=k) for d, k in enumerate(keys)]

    def __call__(self, sources: Float[Array, " n"]) -> Float[Array, " m"]:
        """g(s)."""
        channels = self.matrix @ sources
        for coupling in self.couplings:
            channels = coupling(channels)
        return channels

    def inverse(self, observed: Float[Array, " m"]) -> Float[Array, " n"] | None:
        """A^-1 c_1^-1 .. c_D^-1 (y) where m = n; more channels than sources need a search, which weighs their noise."""
        n_channels, n_sources = self.matrix.shape
        if n_channels != n_sources:
            return None
        for coupling in reversed(self.couplings):
            observed = coupling.inverse(observed)
        return jnp.linalg.pinv(self.matrix) @ observed


class Invertible(NetworkMixingSpec):
    """y = (c_D o .. o c_1)(A s), affine couplings c_d of hidden ``width``, in ``depth`` pairs."""

    name = "invertible"
    label = "a nonlinear map that can be undone (invertible couplings)"
    module = InvertibleMap

    def build(self, n_sources: int, n_channels: int, *, unit_columns: bool, key: PRNGKeyArray) -> InvertibleMap:
        """Random couplings after a matrix whose columns are free."""
        return InvertibleMap(n_sources, n_channels, **self.given(), key=key)

    def n_parameters(self, n_channels: int) -> int:
        """Three weights of every hidden unit and channel, in both couplings of a pair."""
        return 6 * self.depth * self.width * n_channels

    def n_hidden(self, n_channels: int) -> int:
        """The units of all couplings."""
        return 2 * self.depth * self.width
