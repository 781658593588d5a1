"""The mode of the posterior: the likeliest sources at a known map, known priors and a known noise."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from stradiff.inference.covariance import Covariance
from stradiff.inference.tangent import Trajectories, system, tangent
from stradiff.model.model import Model
from stradiff.model.visible import Seen, visible

ROUNDS = 4  # of Gauss-Newton: the trained sources are near the mode
STEPS = (0.0, 0.125, 0.25, 0.5, 1.0)  # of the way to the tangent's mode; the best is taken, and 0 is among them


@eqx.filter_jit
def find_mode(
    model: Model,
    start: Trajectories,
    observed: Float[Array, "T m"],
    seen: Seen,
    times: Float[Array, " T"] | None,
    covariance: Covariance,
    nu: Float[Array, ""],
) -> Trajectories:
    """Sources of highest posterior density, from ``start`` on. Inside ``numerics()``.

    Solves s = K R (I + R K R)^-1 d, d the whitened tangent data; Gauss-Newton repeats that, never downhill.
    """

    def log_posterior(sources: Trajectories) -> Float[Array, ""]:
        error = visible(observed - model.mix(sources), seen)
        return model.log_prior(sources, times) - 0.5 * jnp.sum(error**2) / nu

    def gauss_newton(_: Array, sources: Trajectories) -> Trajectories:
        about = tangent(model, sources, observed, seen)
        here = system(about.root, covariance, nu)
        way = here.smooth(here.solve(about.data / jnp.sqrt(nu))) - sources
        steps = jnp.asarray(STEPS)
        density = jax.lax.map(lambda step: log_posterior(sources + step * way), steps)
        return sources + steps[jnp.argmax(jnp.where(jnp.isfinite(density), density, -jnp.inf))] * way

    return jax.lax.fori_loop(0, ROUNDS, gauss_newton, start)
