"""The mode of the posterior: the likeliest sources at a known map, known priors and a known noise."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from stradiff.inference.covariance import Covariance
from stradiff.inference.tangent import Trajectories, system, tangent
from stradiff.model.mixing import Linear
from stradiff.model.model import Model
from stradiff.model.visible import Seen, visible

ROUNDS = 4  # of Gauss-Newton: the trained sources are near the mode
STEPS = (0.0, 0.125, 0.25, 0.5, 1.0)  # of the way to the tangent's mode; the best is taken, and 0 is among them


class _Walk(NamedTuple):
    """Where Gauss-Newton has come to."""

    sources: Trajectories
    n_rounds: Int[Array, ""]
    at_end: Bool[Array, ""]


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

    Solves s = K R (I + R K R)^-1 d, d the whitened tangent data; Gauss-Newton repeats that, never downhill. A
    linear map has one tangent everywhere: whoever went all the way to its mode is there.
    """

    def log_posterior(sources: Trajectories) -> Float[Array, ""]:
        error = visible(observed - model.mix(sources), seen)
        return model.log_prior(sources, times) - 0.5 * jnp.sum(error**2) / nu

    def gauss_newton(here: _Walk) -> _Walk:
        about = tangent(model, here.sources, observed, seen)
        way = system(about, covariance, nu).mean(about.data / jnp.sqrt(nu)) - here.sources
        steps = jnp.asarray(STEPS)
        density = jax.lax.map(lambda step: log_posterior(here.sources + step * way), steps)
        step = steps[jnp.argmax(jnp.where(jnp.isfinite(density), density, -jnp.inf))]
        at_end = (step == 0.0) | (isinstance(model.mixing, Linear) & (step == 1.0))
        return _Walk(here.sources + step * way, here.n_rounds + 1, at_end)

    first = _Walk(start, jnp.int32(0), jnp.asarray(False))
    return jax.lax.while_loop(lambda here: ~here.at_end & (here.n_rounds < ROUNDS), gauss_newton, first).sources
