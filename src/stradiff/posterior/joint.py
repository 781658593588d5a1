"""Posteriors of all recordings that share one map: one noise variance and one mixing uncertainty, estimated jointly."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from stradiff.model.concatenation import Concatenation
from stradiff.model.model import Model
from stradiff.posterior.covariance import covariance_of, second_moments_of
from stradiff.posterior.laplace import Posterior, fit_noise_variance, in_double
from stradiff.posterior.linearisation import linearise
from stradiff.posterior.mixing_uncertainty import residual_cross_talk
from stradiff.posterior.mode import Observations, find_mode
from stradiff.posterior.segments import Segments, find_posterior, posterior_deviation


def posteriors_of(
    model: Model,
    observed: np.ndarray,
    mask: np.ndarray | None,
    times: np.ndarray | None,
    segments: Segments,
    keys: Key[Array, " R"],
) -> tuple[list[Posterior], np.ndarray, np.ndarray]:
    """The posterior of every recording, and all means and standard deviations ``(sum of T_r, n)``.

    Inside ``numerics()``.

    Parameters
    ----------
    observed : ``(R * T, m)`` normalised, padded as ``model.layout`` says; ``mask`` leaves the padding out.
    times, segments : of a single recording.
    keys : of the draws behind the standard deviations.
    """
    if model.layout is None:
        posterior = find_posterior(model, observed, mask, times, segments)
        deviation = posterior_deviation(model, posterior, mask, times, segments, keys)
        return [posterior], np.asarray(posterior.mode).T, np.asarray(deviation).T
    return _of_several(in_double(model), model.layout, observed, mask, keys)


def _of_several(
    model: Model, layout: Concatenation, observed: np.ndarray, mask: np.ndarray | None, keys: Key[Array, " R"]
) -> tuple[list[Posterior], np.ndarray, np.ndarray]:
    """Every recording at the padded length, so that all share their compiled programs."""
    starts = jnp.moveaxis(layout.by_recording(model.at_mean()), 1, 0)
    models = model.per_recording(padded=True)
    covariance, second_moments = covariance_of(models[0], None), second_moments_of(models[0], None)
    blocks = [slice(first, first + layout.length) for first in range(0, len(observed), layout.length)]
    rows = [jnp.asarray(observed[block], jnp.float64) for block in blocks]
    masks = [None if mask is None else jnp.asarray(mask[block]) for block in blocks]
    linearisations = map(linearise, models, starts, rows, masks)
    nu = jnp.float64(fit_noise_variance(*((one, second_moments) for one in linearisations))[0])
    observations = [
        Observations(row, row_mask, None, covariance, nu, length)
        for row, row_mask, length in zip(rows, masks, layout.lengths, strict=True)
    ]
    modes = list(map(find_mode, models, starts, observations))
    cross_talk = residual_cross_talk(models, modes, observations)
    deviations = [
        posterior_deviation(one, Posterior(mode, nu, cross_talk), row_mask, None, Segments.whole(layout.length), keys)
        for one, mode, row_mask in zip(models, modes, masks, strict=True)
    ]
    posteriors = [
        Posterior(mode[:, :length], nu, cross_talk) for mode, length in zip(modes, layout.lengths, strict=True)
    ]
    mean, deviation = (layout.unpad(np.concatenate(list(map(np.transpose, each)))) for each in (modes, deviations))
    return posteriors, mean, deviation
