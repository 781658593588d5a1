"""Monte Carlo draws of the sources and their moments (Eqs. 33-36)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from stradiff.model.model import Model


@eqx.filter_jit
def draws(model: Model, key: PRNGKeyArray, n_draws: int) -> Float[Array, "R n T"]:
    """S^(r) = f_Theta(Z^(r)), Z^(r) ~ q(Z), r = 1..R (Eq. 33)."""
    return jax.lax.map(model.sample, jax.random.split(key, n_draws))


@eqx.filter_jit
def moments(model: Model, key: PRNGKeyArray, n_draws: int) -> tuple[Float[Array, "n T"], Float[Array, "n T"]]:
    """Mean and standard deviation over R draws (Eqs. 34, 35), without keeping the draws (Welford 1962)."""

    def add(carry: tuple[Array, Array], indexed: tuple[Array, PRNGKeyArray]) -> tuple[tuple[Array, Array], None]:
        mean, square = carry
        count, key = indexed
        sources = model.sample(key)
        difference = sources - mean
        mean = mean + difference / count
        return (mean, square + difference * (sources - mean)), None

    zero = jnp.zeros_like(model.branches.start.mean)
    counts = jnp.arange(1, n_draws + 1, dtype=zero.dtype)
    (mean, square), _ = jax.lax.scan(add, (zero, zero), (counts, jax.random.split(key, n_draws)))
    return mean, jnp.sqrt(square / max(n_draws - 1, 1))


@eqx.filter_jit
def reconstruct(model: Model, sources: Float[Array, "n T"]) -> Float[Array, "T m"]:
    """Y^ = g_phi(S) of the source mean (Eq. 36), before inverse normalisation."""
    return model.mix(sources)
