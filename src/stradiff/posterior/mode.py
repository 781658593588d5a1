"""The mode of the posterior: the likeliest sources at a known map, known priors and a known noise."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from stradiff.model.compiled import quick_jit
from stradiff.model.model import Model
from stradiff.model.observation_mask import Mask, apply_mask
from stradiff.posterior.covariance import Covariance
from stradiff.posterior.tangent import System, Tangent, Trajectories, system_at, tangent_at

ROUNDS = 4  # of Gauss-Newton: the trained sources are near the mode
STEPS = (0.0, 0.125, 0.25, 0.5, 1.0)  # of the way to the tangent's mode; the best is taken, and 0 is among them


def find_mode(
    model: Model,
    start: Trajectories,
    observed: Float[Array, "T m"],
    mask: Mask,
    times: Float[Array, " T"] | None,
    covariance: Covariance,
    nu: Float[Array, ""],
) -> Trajectories:
    """Sources of highest posterior density, from ``start`` on. Inside ``numerics()``.

    Solves s = K R (I + R K R)^-1 d, d the whitened tangent data; Gauss-Newton repeats that, never downhill. A
    linear map has one tangent everywhere: whoever went all the way to its mode is there. Its programs are small, and
    most of them serve the rest of the posterior as well: one for the whole would take longer to compile than to run.
    """
    sources = start
    for _ in range(ROUNDS):
        about = tangent_at(model, sources, observed, mask)
        way = _mean(system_at(about, covariance, nu), about, nu) - sources
        del about  # larger than all else: gone before the next is made
        density = [float(log_posterior(model, sources + step * way, observed, mask, times, nu)) for step in STEPS]
        step = STEPS[np.argmax(np.where(np.isfinite(density), density, -np.inf))]
        if step == 0.0:
            break
        sources = sources + step * way
        if step == 1.0 and model.mixing.is_linear:
            break
    return sources


@quick_jit
def log_posterior(
    model: Model,
    sources: Trajectories,
    observed: Float[Array, "T m"],
    mask: Mask,
    times: Float[Array, " T"] | None,
    nu: Float[Array, ""],
) -> Float[Array, ""]:
    """log p(s) - |y - g(s)|^2 / 2 nu: of the sources, but for a constant."""
    error = apply_mask(observed - model.mix(sources), mask)
    return model.log_prior(sources, times) - 0.5 * jnp.sum(error**2) / nu


@quick_jit
def _mean(here: System, about: Tangent, nu: Float[Array, ""]) -> Trajectories:
    return here.mean(about.data / jnp.sqrt(nu))
