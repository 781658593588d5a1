"""Linear mixing with columns of unit norm (Algorithm 1, lines 20-22)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from stradiff.model.mixing.base import Mixing, MixingSpec


class LinearMap(Mixing):
    """g(s) = A s.

    ``unit_columns`` keeps every column of A at norm one, as the paper does; without it the scale is the map's,
    which is right when the sources are standardised instead.
    """

    is_linear = True

    matrix: Float[Array, "m n"]
    unit_columns: bool = eqx.field(static=True)

    def __init__(self, n_sources: int, n_channels: int, *, unit_columns: bool = True, key: PRNGKeyArray):
        matrix = jax.random.normal(key, (n_channels, n_sources), jnp.float32)
        self.matrix = matrix / jnp.linalg.norm(matrix, axis=0, keepdims=True)
        self.unit_columns = unit_columns

    def __call__(self, sources: Float[Array, " n"]) -> Float[Array, " m"]:
        """A s."""
        return self.matrix @ sources

    def inverse(self, observed: Float[Array, " m"]) -> Float[Array, " n"]:
        """Least squares: the pseudo-inverse of A times y."""
        return jnp.linalg.pinv(self.matrix) @ observed

    def normalised(self) -> LinearMap:
        """Every column divided by its norm, if the columns are kept at norm one."""
        if not self.unit_columns:
            return self
        norm = jnp.linalg.norm(self.matrix, axis=0, keepdims=True)
        return eqx.tree_at(lambda mixing: mixing.matrix, self, self.matrix / norm)


class Linear(MixingSpec):
    """Every channel a weighted sum of the sources: y = A s."""

    name = "linear"
    label = "a linear map"
    module = LinearMap

    def build(self, n_sources: int, n_channels: int, *, unit_columns: bool, key: PRNGKeyArray) -> LinearMap:
        """A of random columns."""
        return LinearMap(n_sources, n_channels, unit_columns=unit_columns, key=key)
