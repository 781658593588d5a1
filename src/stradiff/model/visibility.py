"""What of a difference in the channels can be seen where samples are missing.

``seen`` of a recording stands beside it as None (all of it), ``(T, m)``: 1 where a channel is seen and 0 where not, or
``(T, m, m)``: projections, where normalised channels are sums of the recording's (``Normaliser.visible``).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Seen = Float[Array, "T m"] | Float[Array, "T m m"] | None


def visible(differences: Float[Array, "T m"], seen: Seen) -> Float[Array, "T m"]:
    """P_t e_t at every time, P_t the projection on what is seen then: the part of e that the recording speaks of."""
    if seen is None:
        return differences
    return jax.vmap(jnp.multiply if seen.ndim == 2 else jnp.matmul)(seen, differences)


def count_visible(seen: Seen, n_values: int | Float[Array, ""]) -> Float[Array, ""] | int:
    """How many values were seen of ``n_values``: the sum of the ranks of all P_t."""
    if seen is None:
        return n_values
    return jnp.sum(seen) if seen.ndim == 2 else jnp.sum(jnp.trace(seen, axis1=1, axis2=2))
