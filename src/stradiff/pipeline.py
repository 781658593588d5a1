"""From recordings to their sources: prepare, initialise, train, posterior, diagnose.

Recordings that share one mixing are separated together; one recording is a list of one.
"""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import jax
import numpy as np

from stradiff.assess.diagnostics import Finding, diagnose
from stradiff.assess.stability import stability_of
from stradiff.config import Laplace
from stradiff.data import fit_normaliser, observed_mask
from stradiff.errors import NumericsError, StorageError
from stradiff.initialise import initialise
from stradiff.model import Model, numerics
from stradiff.model.devices import available_devices
from stradiff.model.mixing import MixingSpec
from stradiff.posterior import Separation, choose_readout
from stradiff.posterior.channels import in_recording_channels, noise_as_trained
from stradiff.posterior.joint import posteriors_of
from stradiff.posterior.laplace import Posterior
from stradiff.posterior.memory import memory_estimate
from stradiff.posterior.monte_carlo import moments
from stradiff.posterior.segments import segments_of
from stradiff.posterior.separation import moment_key
from stradiff.prepare import Problem, Recordings, Request, prepare
from stradiff.train import TrainingResult, train
from stradiff.train.checkpoint import CheckpointFile, disk_estimate

LIBRARIES = ("stradiff", "jax", "equinox", "optax", "scikit-learn", "numpy")
LINEAR_SUFFICES = "linear-suffices"
SELECTED = "mixing='auto' took the linear map: a network explained no more beyond the best linear map than noise can."


@dataclasses.dataclass(frozen=True)
class Result:
    """What is known of one recording after a fit."""

    separation: Separation
    training: TrainingResult
    """Of all recordings together, with the model, the paths and the length-scales of this one."""
    sources: np.ndarray
    """(T, n) posterior means, in the recording's dtype."""
    sources_std: np.ndarray
    findings: tuple[Finding, ...]
    info: dict[str, Any]
    """Preset, seed, versions, shapes, seconds."""


def separate(recordings: Recordings, request: Request) -> list[Result]:
    """Sources of every recording, in order.

    With ``mixing="auto"`` a network is fitted, and the matrix instead where the network explains no more beyond it than
    noise can (the finding ``linear-suffices``). The checkpoint of the linear fit stands beside the other's.

    Raises
    ------
    OptionError, InputError, InsufficientMemoryError
        As ``prepare``.
    StorageError
        For a checkpoint that cannot be written, or is of other recordings or another configuration.
    NumericsError
        Where training left the range of numbers before anything was learned.
    """
    began = time.perf_counter()
    first, *linear = request.candidate_mixings
    checkpoint = CheckpointFile.of(request.checkpoint) if request.checkpoint else None
    beside = checkpoint.beside(linear[0].name) if checkpoint and linear else None
    if checkpoint and beside and beside.path.exists() and not checkpoint.path.exists():
        raise StorageError(
            f"{beside.path} is left of a fit whose other checkpoint, {checkpoint.path.name}, is gone; delete it to "
            "start anew."
        )
    results = _separate(recordings, request, first, checkpoint)
    if linear and _linear_suffices(results):
        results = _separate(recordings, request, linear[0], beside)
        note = Finding(LINEAR_SUFFICES, "note", (), SELECTED)
        results = [dataclasses.replace(one, findings=(*one.findings, note)) for one in results]
    seconds = round(time.perf_counter() - began, 3)
    return [dataclasses.replace(one, info=one.info | {"seconds": seconds}) for one in results]


def _linear_suffices(results: Sequence[Result]) -> bool:
    """Whether a network explains no more than a matrix in any recording; not where training was interrupted."""
    return not results[0].training.interrupted and all(
        any(finding.kind == LINEAR_SUFFICES for finding in one.findings) for one in results
    )


def _separate(
    recordings: Recordings, request: Request, mixing: MixingSpec, checkpoint: CheckpointFile | None
) -> list[Result]:
    """Every step, with one map."""
    problem, layout = prepare(recordings, request, mixing), recordings.layout
    with numerics():
        initialisation = initialise(
            problem.observed,
            recordings.times,
            problem.config,
            mask=problem.mask,
            guess=problem.guess,
            seed=problem.seed,
            layout=layout if layout.n_recordings > 1 else None,
        )
        training = train(
            initialisation,
            record=problem.config.training.record_epochs,
            callbacks=request.callbacks,
            verbose=request.verbose,
            checkpoint=checkpoint,
            at_once=problem.n_parallel,
        )
        estimate = _estimate(problem, training.model)
    return _diagnosed(problem, request.preset, training, estimate)


@dataclasses.dataclass(frozen=True)
class Estimate:
    """The sources of all recordings, one after the other, in the order and scale of the model."""

    mean: np.ndarray
    """(sum of T_r, n)"""
    deviation: np.ndarray
    posteriors: Sequence[Posterior | None]
    """Of every recording; None where the moments are those of draws through the reverse diffusion."""
    as_trained: bool = False
    """Whether the posterior's noise is that of training."""


def _estimate(problem: Problem, model: Model) -> Estimate:
    """Posterior moments, as ``uncertainty`` says."""
    recordings, config, normaliser = problem.recordings, problem.config, problem.normaliser
    layout, n_draws, key = recordings.layout, config.uncertainty.n_draws, moment_key(problem.seed)
    if not isinstance(config.uncertainty, Laplace):
        mean, deviation = (layout.unpad(np.asarray(rows).T) for rows in moments(model, key, n_draws))
        return Estimate(mean, deviation, [None] * layout.n_recordings)
    complete = layout.n_recordings == 1 and recordings.mask is None
    as_trained = complete and noise_as_trained(normaliser, model, recordings.filled, recordings.times, config)
    channels, channel_model = in_recording_channels(normaliser, model, as_trained=as_trained)
    segments, keys = segments_of(layout.length, config, recordings.times), jax.random.split(key, n_draws)
    observed, mask = recordings.normalised(channels)
    posteriors, mean, deviation = posteriors_of(channel_model, observed, mask, recordings.times, segments, keys)
    return Estimate(mean, deviation, posteriors, as_trained)


def _diagnosed(problem: Problem, preset: str, training: TrainingResult, estimate: Estimate) -> list[Result]:
    """What every recording leaves behind: its sources as shown, its fitted model, and what speaks against them."""
    if not np.isfinite(estimate.mean).all():
        raise NumericsError("The fit left no finite sources; lower learning_rate, or raise nu_y.")
    recordings, layout = problem.recordings, problem.recordings.layout
    regression = np.linalg.lstsq(layout.unpad(problem.observed), estimate.mean, rcond=None)[0].T.astype(np.float64)
    # The rule names channels of the recording, which whitened ones are not.
    channels = fit_normaliser(recordings.values, "standardise").forward(recordings.filled)
    readout = choose_readout(estimate.mean, channels)
    means = recordings.split(readout.show(estimate.mean))
    deviations = recordings.split(readout.spread(estimate.deviation))
    results = []
    for number, own in enumerate(training.of_recordings(layout)):
        values = recordings.each[number]
        separation = Separation(
            problem.config,
            problem.normaliser,
            own.model,
            readout,
            regression,
            problem.seed,
            observed_mask(values),
            recordings.times,
            estimate.posteriors[number],
            estimate.as_trained,
        )
        info = _provenance(problem, preset, values) | {"n_devices": own.n_devices} | stability_of(own, readout)
        sources, sources_std = means[number].astype(values.dtype), deviations[number].astype(values.dtype)
        findings = diagnose(
            separation, own, values, sources, sources_std, info.get("stability"), n_together=len(recordings.values)
        )
        results.append(Result(separation, own, sources, sources_std, tuple(findings), info))
    return results


def _provenance(problem: Problem, preset: str, values: np.ndarray) -> dict[str, Any]:
    """What else decides a result, and where it was computed."""
    device, (n_samples, n_channels) = available_devices()[0], values.shape
    estimate = memory_estimate(n_samples, n_channels, problem.config, regular=problem.recordings.times is None)
    return {
        "preset": preset,
        "seed": problem.seed,
        "n_samples": n_samples,
        "n_channels": n_channels,
        "memory_needed": round(estimate),  # bytes, as estimated before the fit
        "disk_needed": round(disk_estimate(n_samples, n_channels, problem.config)),
        "device": device.platform,
        "device_kind": device.device_kind,
        "versions": {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()},
    }
