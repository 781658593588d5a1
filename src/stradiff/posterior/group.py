"""Several recordings with one mixing map and sources of their own: one fit, and a separation for each.

The recordings are laid end to end (``stradiff.model.concatenation``) and trained as one with known borders.
Information about the map adds up over all of them: one noise variance, one cross-talk, one order, sign and scale.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from stradiff.config import Settings
from stradiff.data import Normaliser, fit_normaliser, interpolated, observed_mask
from stradiff.errors import OptionError
from stradiff.initialise import initialise
from stradiff.initialise.priors import priors_of
from stradiff.model.concatenation import Concatenation
from stradiff.model.model import Model
from stradiff.model.numerics import numerics
from stradiff.posterior.channels import in_recording_channels
from stradiff.posterior.covariance import covariance_of, second_moments_of
from stradiff.posterior.laplace import Posterior, fit_noise_variance, in_double
from stradiff.posterior.linearisation import linearise
from stradiff.posterior.memory import memory_estimate, require_memory
from stradiff.posterior.mixing_uncertainty import residual_cross_talk
from stradiff.posterior.mode import Observations, find_mode
from stradiff.posterior.monte_carlo import moments
from stradiff.posterior.readout import choose_readout
from stradiff.posterior.segments import Segments, posterior_deviation
from stradiff.posterior.separation import Separation, check_finite_sources, moment_key, normaliser_for
from stradiff.train import TrainingResult, train
from stradiff.train.sharding import devices_for


class Found(NamedTuple):
    """What one recording of a group leaves behind."""

    separation: Separation
    fit: TrainingResult
    """That of the group, with the model, the paths and the length-scales of this recording."""
    mean: np.ndarray
    """(T_r, n), as shown"""
    spread: np.ndarray


def separate_group(
    recordings: Sequence[np.ndarray],
    settings: Settings,
    *,
    guess: np.ndarray | None = None,
    seed: int = 0,
    n_draws: int = 100,
    **how: Any,
) -> list[Found]:
    """Every recording separated, in order; ``settings`` are those of ``group_settings``.

    ``recordings`` are checked values ``(T_r, m)`` on regular grids, NaN where nothing was seen. ``how`` holds what
    ``train`` takes; a guess has the sources of all recordings one after the other.
    """
    layout = Concatenation(tuple(map(len, recordings)))
    needed = memory_estimate(
        layout.n_recordings * layout.length, recordings[0].shape[1], settings, longest=layout.length
    )
    what = f"Fitting {layout.n_recordings} recordings of up to {layout.length} samples"
    how["at_once"] = require_memory(needed, what, how.get("verbose", False))
    gappy = np.concatenate(recordings)
    filled = np.concatenate([interpolated(one, observed_mask(one)) for one in recordings])
    normaliser = normaliser_for(gappy, filled, settings, layout.lengths)
    observed, mask = padded(layout, gappy, filled, normaliser)
    with numerics():
        devices_for(settings.n_devices)  # refused before the initialisation, not after it
        start = initialise(observed, None, settings, mask=mask, guess=guess, seed=seed, layout=layout)
        settings, result = start.settings, train(start, **how)
        models, key = result.model.per_recording(), moment_key(seed)
        posteriors: Sequence[Posterior | None] = [None] * layout.n_recordings
        if settings.uncertainty == "laplace":
            channels, model = in_recording_channels(normaliser, result.model)
            rows = padded(layout, gappy, filled, channels)
            posteriors, raw, spread = posteriors_of(model, *rows, jax.random.split(key, n_draws))
        else:
            raw, spread = (layout.unpad(np.asarray(rows).T) for rows in moments(result.model, key, n_draws))
    check_finite_sources(raw)
    regression = np.linalg.lstsq(layout.unpad(observed), raw, rcond=None)[0].T
    # Where two recordings meet every source jumps, by as much on average: that makes none of them the slower one.
    readout = choose_readout(raw, fit_normaliser(gappy, "standardise").forward(filled))
    separations = [
        Separation(settings, normaliser, model, readout, regression, seed, observed_mask(one), None, posterior)
        for model, one, posterior in zip(models, recordings, posteriors, strict=True)
    ]
    shown = (np.split(rows, np.cumsum(layout.lengths)[:-1]) for rows in (readout.show(raw), readout.spread(spread)))
    return list(map(Found, separations, fits_of(result, models, layout), *shown))


def group_settings(settings: Settings, lengths: Sequence[int]) -> Settings:
    """The settings for recordings of these lengths: whole recordings in every epoch, and networks that fit all."""
    if settings.window not in ("auto", "whole"):
        raise OptionError(
            f"window={settings.window!r} is for one long recording; a group is trained on whole recordings: leave "
            "window out, or fit the recordings one by one."
        )
    differ, longest = min(lengths) < max(lengths), max(lengths)
    if differ and settings.network == "dense" and settings.branch != "none":
        raise OptionError(
            f"The recordings have from {min(lengths)} to {longest} samples, and a dense network has one length; use "
            "network='convolutional', or cut the recordings to the same length."
        )
    network = settings.network
    if network == "auto":
        whole = dataclasses.replace(settings, window="whole")
        network = "convolutional" if differ or whole.convolves(longest) else "dense"
    settings = dataclasses.replace(settings, window="whole", network=network)
    if differ:  # a prior that cannot tell of a shorter recording is refused before the fit, not after it
        with numerics():
            try:
                eqx.filter_eval_shape(lambda: priors_of(settings, longest).of_segment(0.5))
            except OptionError as error:
                raise OptionError(
                    f"The recordings have from {min(lengths)} to {longest} samples, and the prior is written for one "
                    "length; cut them to the same length, or give it the method of_segment (Prior.of_segment)."
                ) from error
    return settings


def padded(
    layout: Concatenation, gappy: np.ndarray, filled: np.ndarray, normaliser: Normaliser
) -> tuple[np.ndarray, np.ndarray | None]:
    """All recordings normalised, with their padding, and what was seen of them."""
    bare = normaliser.forward(filled).astype(np.float32)
    channel_mask = None if observed_mask(gappy) is None else normaliser.forward_mask(~np.isnan(gappy))
    return layout.pad(bare), mask_of_all(layout, channel_mask, bare)


def mask_of_all(layout: Concatenation, channel_mask: np.ndarray | None, bare: np.ndarray) -> np.ndarray | None:
    """``mask`` of all recordings with their padding, which nobody saw; None where there is neither padding nor gap.

    ``visible`` is that of the bare rows, None where no value is missing.
    """
    if layout.equal_lengths:
        return channel_mask
    there = np.ones(bare.shape) if channel_mask is None else channel_mask
    every = np.zeros((layout.n_recordings * layout.length, *there.shape[1:]))
    every[layout.mask.ravel()] = there
    return every


def posteriors_of(
    model: Model, observed: np.ndarray, mask: np.ndarray | None, keys: Key[Array, " R"]
) -> tuple[list[Posterior], np.ndarray, np.ndarray]:
    """The posterior of every recording, and all means and deviations ``(sum of T_r, n)``; inside ``numerics()``.

    ``observed (R * T, m)`` normalised and padded. Padding was not seen and changes nothing; with it all recordings are
    as long, and compiled once.
    """
    layout = model.layout
    assert layout is not None
    model = in_double(model)
    starts = jnp.moveaxis(layout.by_recording(model.at_mean()), 1, 0)
    models = model.per_recording(padded=True)
    covariance, second = covariance_of(models[0], None), second_moments_of(models[0], None)
    firsts = [layout.rows(number).start for number in range(layout.n_recordings)]
    rows = [jnp.asarray(observed[first : first + layout.length], jnp.float64) for first in firsts]
    there = [None if mask is None else jnp.asarray(mask[first : first + layout.length]) for first in firsts]
    linearisations = [linearise(*one) for one in zip(models, starts, rows, there, strict=True)]
    nu = jnp.float64(fit_noise_variance(*((one, second) for one in linearisations))[0])
    observations = [
        Observations(row, seen_row, None, covariance, nu, length)
        for row, seen_row, length in zip(rows, there, layout.lengths, strict=True)
    ]
    modes = [find_mode(*one) for one in zip(models, starts, observations, strict=True)]
    cross_talk = residual_cross_talk(models, modes, observations)
    padded_length = Segments.whole(layout.length)
    spread = [
        posterior_deviation(model, Posterior(mode, nu, cross_talk), seen_row, None, padded_length, keys)
        for model, mode, seen_row in zip(models, modes, there, strict=True)
    ]
    cut = [Posterior(mode[:, :length], nu, cross_talk) for mode, length in zip(modes, layout.lengths, strict=True)]
    mean, deviation = (layout.unpad(np.concatenate([np.asarray(one).T for one in every])) for every in (modes, spread))
    return cut, mean, deviation


def fits_of(result: TrainingResult, models: Sequence[Model], layout: Concatenation) -> list[TrainingResult]:
    """The fit as every recording has it: its own model, paths, and length-scales in units of its own span."""
    fits = []
    for number, (model, share) in enumerate(zip(models, layout.relative_spans().tolist(), strict=True)):
        paths = {epoch: path[:, layout.rows(number)] for epoch, path in result.paths.items()}
        history = result.history | {"length_scales": result.history["length_scales"] / share}
        fits.append(dataclasses.replace(result, model=model, history=history, paths=paths))
    return fits
