"""What of a difference in the channels can be seen where samples are missing.

``mask`` of a recording stands beside it as None (all of it), ``(T, m)``: 1 where a channel is seen and 0 where not, or
``(T, m, m)``: projections, where normalised channels are sums of the recording's (``Normaliser.forward_mask``).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Mask = Float[Array, "T m"] | Float[Array, "T m m"] | None


def apply_mask(differences: Float[Array, "T m"], mask: Mask) -> Float[Array, "T m"]:
    """P_t e_t at every time, P_t the projection on what is seen then: the part of e that the recording speaks of."""
    if mask is None:
        return differences
    return jax.vmap(jnp.multiply if mask.ndim == 2 else jnp.matmul)(mask, differences)


def count_observed(mask: Mask, n_values: int | Float[Array, ""]) -> Float[Array, ""] | int:
    """How many values were seen of ``n_values``: the sum of the ranks of all P_t."""
    if mask is None:
        return n_values
    return jnp.sum(mask) if mask.ndim == 2 else jnp.sum(jnp.trace(mask, axis1=1, axis2=2))
