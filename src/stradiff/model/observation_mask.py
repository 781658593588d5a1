"""Masks that restrict residuals of the channels to the observed values.

The mask of a recording is None (all observed), ``(T, m)`` with 1 for observed and 0 for missing values, or projections
``(T, m, m)`` where normalised channels are linear combinations of the recorded ones (``Normaliser.forward_mask``).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Mask = Float[Array, "T m"] | Float[Array, "T m m"] | None


def apply_mask(residuals: Float[Array, "T m"], mask: Mask) -> Float[Array, "T m"]:
    """P_t e_t at every time, P_t the projection onto the observed values."""
    if mask is None:
        return residuals
    return jax.vmap(jnp.multiply if mask.ndim == 2 else jnp.matmul)(mask, residuals)


def count_observed(mask: Mask, n_values: int | Float[Array, ""]) -> Float[Array, ""] | int:
    """Number of observed values among ``n_values``: the sum of the ranks of all P_t."""
    if mask is None:
        return n_values
    return jnp.sum(mask) if mask.ndim == 2 else jnp.sum(jnp.trace(mask, axis1=1, axis2=2))
