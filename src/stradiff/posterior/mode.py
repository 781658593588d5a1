"""The mode of the posterior: the most likely sources given the map, the priors and the noise variance."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from stradiff.model.compiled import quick_jit
from stradiff.model.model import Model
from stradiff.model.observation_mask import Mask, apply_mask
from stradiff.posterior.covariance import Covariance
from stradiff.posterior.linearisation import Linearisation, System, Trajectories, linearise, system_of

ITERATIONS = 4  # of Gauss-Newton, at most: the trained sources are near the mode
STEP_SIZES = (0.0, 0.125, 0.25, 0.5, 1.0)  # of a Gauss-Newton step; the best is taken


class Observations(NamedTuple):
    """A normalised recording, with the noise variance and the covariance of the priors."""

    observed: Float[Array, "T m"]
    mask: Mask
    times: Float[Array, " T"] | None
    covariance: Covariance
    nu: Float[Array, ""]
    n_samples: int | None = None
    """Number of samples before any padding; None: there is no padding."""


def find_mode(model: Model, start: Trajectories, observations: Observations) -> Trajectories:
    """Sources of highest posterior density, from ``start`` on. Inside ``numerics()``.

    Gauss-Newton with a line search that never lowers the density: each step solves s = K R (I + R K R)^-1 d, d the
    whitened data of the linearisation. With linear mixing a full step ends at the mode. The programs are small, as most
    of them serve the rest of the posterior too: a single one takes longer to compile than to run.
    """
    observed, mask, times, covariance, nu, _ = observations
    sources = start
    for _ in range(ITERATIONS):
        linearisation = linearise(model, sources, observed, mask)
        step = _mean(system_of(linearisation, covariance, nu), linearisation, nu) - sources
        del linearisation  # the largest array by far: freed before the next one is made
        candidates = (sources + size * step for size in STEP_SIZES)
        density = [float(log_posterior(model, candidate, observed, mask, times, nu)) for candidate in candidates]
        size = STEP_SIZES[np.argmax(np.where(np.isfinite(density), density, -np.inf))]
        if size == 0.0:
            break
        sources = sources + size * step
        if size == 1.0 and model.mixing.is_linear:
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
    """log p(s) - |y - g(s)|^2 / 2 nu: the log density of the sources up to a constant."""
    error = apply_mask(observed - model.mix(sources), mask)
    return model.log_prior(sources, times) - 0.5 * jnp.sum(error**2) / nu


@quick_jit
def _mean(system: System, linearisation: Linearisation, nu: Float[Array, ""]) -> Trajectories:
    return system.mean(linearisation.data / jnp.sqrt(nu))
