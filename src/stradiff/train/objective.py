"""What is minimised: four terms, their weights and their sum (Eqs. 23-32; Algorithm 1, lines 13-18)."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from stradiff.config import Objective
from stradiff.model.branches import Branch, over_recordings, over_sources
from stradiff.model.concatenation import Concatenation
from stradiff.model.model import Model
from stradiff.model.observation_mask import Mask, apply_mask, count_observed
from stradiff.train.volume import volume

Scalar = Float[Array, ""]


class Terms(NamedTuple):
    """The terms of one epoch, unweighted."""

    reconstruction: Scalar
    prior: Scalar
    diffusion: Scalar
    kl: Scalar
    volume: Scalar


class Noise(NamedTuple):
    """All that is random in one epoch; drawn once, so that an epoch can be computed again from it."""

    start: Float[Array, "n T"]
    tau: Int[Array, " n"]
    diffusion: Float[Array, "n T"]
    times: PRNGKeyArray  # which times the volume term visits


def draw_noise(model: Model, key: PRNGKeyArray) -> Noise:
    """eps^(k) of Eq. 9, tau and eta^(k) of Eq. 25, one tau for each source."""
    start, tau, diffusion, times = jax.random.split(key, 4)
    shape, dtype = model.branches.start.mean.shape, model.branches.start.mean.dtype
    return Noise(
        jax.random.normal(start, shape, dtype),
        jax.vmap(model.branches.sample_tau)(jax.random.split(tau, shape[0])),
        jax.random.normal(diffusion, shape, dtype),
        times,
    )


def reconstruction(error: Float[Array, "T m"], nu_y: float) -> Scalar:
    """|Y~ - Y^|_F^2 / (2 nu_y) (Eqs. 23, 24), of the error where it is seen."""
    return jnp.sum(error**2) / (2.0 * nu_y)


def denoising(model: Model, sources: Float[Array, "n T"], noise: Noise) -> Scalar:
    """Mean over sources of the noise-prediction loss (Eqs. 26, 27); of several recordings the sum of theirs."""
    if model.layout is not None:
        return _denoising_of_recordings(model, model.layout, sources, noise)
    return jnp.mean(over_sources(Branch.denoising_loss, model.branches, sources, noise.tau, noise.diffusion))


def _denoising_of_recordings(model: Model, layout: Concatenation, sources: Float[Array, "n T"], noise: Noise) -> Scalar:
    tau = jnp.repeat(noise.tau[:, None], layout.n_recordings, axis=1)
    arrays = (layout.by_recording(sources), tau, layout.by_recording(noise.diffusion))
    errors = over_recordings(Branch.denoising_error, model.branches, layout, *arrays)
    weights = jnp.asarray(layout.mask / np.array(layout.lengths)[:, None], sources.dtype)
    return jnp.sum(jnp.mean(errors, axis=0) * weights)


def start_kl(model: Model) -> Scalar:
    """KL(q(Z) || N(0, I)), summed over sources (Eqs. 28-30)."""
    return jnp.sum(over_sources(lambda branch: branch.start.kl(), model.branches))


def terms(
    model: Model,
    observed: Float[Array, "T m"],
    times: Float[Array, " T"] | None,
    noise: Noise,
    weights: Objective,
    mask: Mask = None,
) -> tuple[Terms, Scalar]:
    """One draw of every term (Algorithm 1, lines 3-17) and the mean squared reconstruction error.

    The volume term is that of the whole recording, also where samples are missing; padding after a recording that is
    one of several adds to it, and to the prior's term, what the two take from each other.
    """
    sources = model.at(noise.start)
    error = apply_mask(observed - model.mix(sources), mask)
    diffused = sources if weights.diffusion_moves_sources else jax.lax.stop_gradient(sources)
    parts = Terms(
        reconstruction=reconstruction(error, weights.nu_y),
        prior=-model.log_prior(sources, times),
        diffusion=denoising(model, diffused, noise),
        kl=start_kl(model),
        volume=volume(model, sources, weights.nu_y, noise.times)
        if weights.volume_weight
        else jnp.zeros((), sources.dtype),
    )
    return parts, jnp.sum(error**2) / count_observed(mask, error.size)


def total(parts: Terms, weights: Objective) -> Scalar:
    """L = L_rec + lambda_prior L_prior + lambda_diff L_diff + lambda_KL L_KL (Eqs. 31, 32) [+ volume]."""
    return (
        parts.reconstruction
        + weights.lambda_prior * parts.prior
        + weights.lambda_diff * parts.diffusion
        + weights.lambda_kl * parts.kl
        + weights.volume_weight * parts.volume
    )
