"""Several recordings with one mixing map and sources of their own: one fit, and a separation for each.

The recordings are laid end to end (``stradiff.model.parts``) and trained as one that knows where they meet. What is
known of the map adds up over all of them: one noise, one leakage between sources, one order, sign and scale.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from stradiff.errors import OptionError
from stradiff.fitting import Fit, Settings, fit_best
from stradiff.fitting.warm_start import priors_of
from stradiff.inference.covariance import covariance_of
from stradiff.inference.laplace import Posterior, in_double, likeliest_noise
from stradiff.inference.mixture import Evidence, leakage_of_several
from stradiff.inference.mode import find_mode
from stradiff.inference.needs import needed_memory
from stradiff.inference.posterior import moments
from stradiff.inference.readout import choose_readout
from stradiff.inference.separation import Separation, check_finite_sources, moment_key, normaliser_for
from stradiff.inference.tangent import tangent_at
from stradiff.model.model import Model
from stradiff.model.numerics import numerics
from stradiff.model.parts import Parts
from stradiff.observations import check_memory, fit_normaliser, interpolated, seen_values


def separate_group(
    recordings: Sequence[np.ndarray], settings: Settings, *, seed: int = 0, n_draws: int = 100, **how: Any
) -> tuple[list[Separation], list[Fit]]:
    """A separation and a fit for each recording, in order; ``settings`` are those of ``group_settings``.

    ``recordings`` are checked values ``(T_r, m)`` on regular grids, NaN where nothing was seen. ``how`` holds what
    ``fit_best`` takes; a guess has the sources of all recordings one after the other. The fits are one and the same,
    with paths and length-scales as each recording has them.
    """
    parts = Parts(tuple(map(len, recordings)))
    size, longest = parts.count * parts.length, parts.length
    check_memory(
        needed_memory(size, recordings[0].shape[1], settings, longest=longest),
        f"Fitting {parts.count} recordings of up to {longest} samples",
    )
    gappy = np.concatenate(recordings)
    filled = np.concatenate([interpolated(one, seen_values(one)) for one in recordings])
    normaliser = normaliser_for(gappy, filled, settings, parts.lengths)
    observed = normaliser.forward(filled).astype(np.float32)
    missing = seen_values(gappy) is not None
    visible = normaliser.visible(~np.isnan(gappy)) if missing else None
    with numerics():
        shown = visible_of_all(parts, visible, observed.shape)
        result = fit_best(parts.padded(observed), None, settings, seen=shown, seed=seed, parts=parts, **how)
        models, posteriors = result.model.recordings(), [None] * parts.count
        ends = np.cumsum(parts.lengths)[:-1]
        if settings.uncertainty == "laplace":
            rows = np.split(observed, ends)
            posteriors = posteriors_of(models, rows, [None] * parts.count if visible is None else np.split(visible, ends))
            mean = np.concatenate([np.asarray(one.mode).T for one in posteriors])
        else:
            mean = parts.bare(np.asarray(moments(result.model, moment_key(seed), n_draws)[0]).T)
    check_finite_sources(mean)
    regression = np.linalg.lstsq(observed, mean, rcond=None)[0].T
    # Where two recordings meet every source jumps, by as much on average: that makes none of them the slower one.
    readout = choose_readout(mean, fit_normaliser(gappy, "standardise").forward(filled))
    separations = [
        Separation(settings, normaliser, model, readout, regression, seed, seen_values(one), None, posterior)
        for model, one, posterior in zip(models, recordings, posteriors, strict=True)
    ]
    return separations, fits_of(result, models, parts)


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
                eqx.filter_eval_shape(lambda: priors_of(settings, longest).of_part(0.5))
            except OptionError as error:
                raise OptionError(
                    f"The recordings have from {min(lengths)} to {longest} samples, and the prior is written for one "
                    "length; cut them to the same length, or give it the method of_part (Prior.of_part)."
                ) from error
    return settings


def visible_of_all(parts: Parts, visible: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray | None:
    """``seen`` of all recordings with their padding, which nobody saw; None where there is neither padding nor gap."""
    if parts.equal:
        return visible
    bare = np.ones(shape) if visible is None else visible
    every = np.zeros((parts.count * parts.length, *bare.shape[1:]))
    every[parts.inside.ravel()] = bare
    return every


def posteriors_of(
    models: Sequence[Model], observed: Sequence[np.ndarray], seen: Sequence[np.ndarray | None]
) -> list[Posterior]:
    """The posterior of every recording ``(T_r, m)``, normalised, with one noise and one leakage; in ``numerics()``."""
    models = [in_double(model) for model in models]
    rows = [jnp.asarray(one, jnp.float64) for one in observed]
    there = [None if one is None else jnp.asarray(one) for one in seen]
    starts = [model.at(jnp.zeros(model.branches.start.mean.shape)) for model in models]
    covariances = [covariance_of(model, None) for model in models]
    abouts = [tangent_at(*one) for one in zip(models, starts, rows, there, strict=True)]
    nu = jnp.float64(likeliest_noise(*zip(abouts, covariances, strict=True)))
    evidence = [Evidence(*one, None, covariance, nu) for *one, covariance in zip(rows, there, covariances, strict=True)]
    modes = [find_mode(model, start, *known) for model, start, known in zip(models, starts, evidence, strict=True)]
    leakage = jnp.asarray(leakage_of_several(models, modes, evidence))
    return [Posterior(mode, nu, leakage) for mode in modes]


def fits_of(result: Fit, models: Sequence[Model], parts: Parts) -> list[Fit]:
    """The fit as every recording has it: its own model, paths, and length-scales in units of its own span."""
    fits = []
    for number, (model, share) in enumerate(zip(models, parts.shares().tolist(), strict=True)):
        paths = {epoch: path[:, parts.rows(number)] for epoch, path in result.paths.items()}
        history = result.history | {"length_scales": result.history["length_scales"] / share}
        fits.append(dataclasses.replace(result, model=model, history=history, paths=paths))
    return fits
