"""From recordings to their sources: prepare, initialise, train, posterior, diagnose.

Recordings that share one mixing are separated together; one recording is a list of one.
"""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stradiff.assess.diagnostics import Finding, diagnose
from stradiff.assess.stability import stability_of
from stradiff.config import (
    AUTO,
    Checkpoint,
    Configuration,
    Laplace,
    check_seed,
    read_checkpoint,
    read_mixing,
    resolve,
)
from stradiff.data import Normaliser, count_sources, fit_normaliser, interpolated, observed_mask
from stradiff.data.checks import as_float_array
from stradiff.data.noise_floor import noise_floor
from stradiff.errors import InputError, NumericsError, OptionError, StorageError
from stradiff.initialise import initialise
from stradiff.initialise.priors import build_priors
from stradiff.model import Model, numerics
from stradiff.model.concatenation import Concatenation
from stradiff.model.devices import available_devices
from stradiff.model.mixing import MLP, Linear, MixingSpec
from stradiff.posterior import Separation, choose_readout
from stradiff.posterior.channels import in_recording_channels, noise_as_trained
from stradiff.posterior.joint import posteriors_of
from stradiff.posterior.laplace import Posterior
from stradiff.posterior.memory import memory_estimate, require_memory
from stradiff.posterior.monte_carlo import moments
from stradiff.posterior.segments import segments_of
from stradiff.posterior.separation import moment_key
from stradiff.train import Callback, TrainingResult, train
from stradiff.train.checkpoint import CheckpointFile
from stradiff.train.sharding import devices_for

LIBRARIES = ("stradiff", "jax", "equinox", "optax", "scikit-learn", "numpy")
LINEAR_SUFFICES = "linear-suffices"
CHOSEN = "mixing='auto' took the linear map: a network explained no more beyond the best linear map than noise can."


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked of a separation, beside the recordings.

    Attributes
    ----------
    preset, given : the preset, and what is given in its place.
    mixing : the map, or ``"auto"``.
    n_components : number of sources, ``"auto"``, or None: as many as channels.
    init : sources ``(T, n)`` to start from, those of all recordings one after the other; None: as ``given.init`` says.
    """

    preset: str
    given: Configuration
    mixing: MixingSpec | str
    n_components: Any
    init: Any
    seed: int
    checkpoint: Checkpoint | None
    verbose: bool | str

    @classmethod
    def of(cls, parameters: dict[str, Any]) -> Request:
        """Of the parameters of an estimator, checked.

        Raises
        ------
        OptionError
        """
        init, mixing = parameters["init"], read_mixing(parameters["mixing"])
        fields = ("prior", "normalise", "n_restarts", "diffusion", "objective", "training", "uncertainty")
        given = {name: parameters[name] for name in fields}
        is_named = init is None or isinstance(init, str)
        checkpoint, random_state = read_checkpoint(parameters["checkpoint"]), parameters["random_state"]
        if checkpoint and (isinstance(random_state, bool) or not isinstance(random_state, int | np.integer)):
            raise OptionError(
                f"checkpoint={checkpoint.path!r} needs a number for random_state (now {random_state!r}): with another "
                "seed next time, training could not go on."
            )
        return cls(
            parameters["preset"],
            Configuration(init=init if is_named else "given", **given),
            mixing,
            parameters["n_components"],
            None if is_named else init,
            check_seed(random_state),
            checkpoint,
            parameters["verbose"],
        )

    @property
    def candidate_mixings(self) -> tuple[MixingSpec, ...]:
        """The map; with ``"auto"`` a network, and the matrix that is taken where it suffices."""
        return (MLP(), Linear()) if isinstance(self.mixing, str) else (self.mixing,)

    @property
    def callbacks(self) -> tuple[Callback, ...]:
        """Called during training."""
        return self.given.training.callbacks

    def configuration(self, recordings: Recordings, mixing: MixingSpec) -> Configuration:
        """The complete configuration for these recordings."""
        n_components = self.n_components
        if n_components is None:
            n_components = recordings.values.shape[1]
        elif isinstance(n_components, str) and n_components == AUTO:
            n_components = count_sources(recordings.values)
        training = self.given.training.replace(callbacks=())  # no part of what decides the result
        given = self.given.replace(n_sources=int(n_components), mixing=mixing, training=training)
        config = resolve(self.preset, given)
        config.check(min(recordings.layout.lengths))
        return config.for_recordings(recordings.layout.lengths)

    def guess(self, n_samples: int, n_sources: int) -> np.ndarray | None:
        """The given initial sources: ``(T, n)``, finite, none constant."""
        if self.init is None:
            return None
        sources = as_float_array(self.init, what="sources in init").astype(np.float64)
        if sources.shape != (n_samples, n_sources):
            raise InputError(
                f"init has shape {sources.shape}; the sources to start from must be {(n_samples, n_sources)}."
            )
        if not np.isfinite(sources).all() or (sources.std(axis=0) == 0).any():
            raise InputError("init must hold finite sources, none of them constant; start from init='sobi' otherwise.")
        return sources


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
    """Preset, configuration, seed, versions, shapes, seconds."""


@dataclasses.dataclass(frozen=True)
class Recordings:
    """Checked recordings that share one mixing.

    Attributes
    ----------
    each : ``(T_r, m)``, NaN where a sample is missing.
    times : ``(T,)`` in [0, 1] of a single recording that is not sampled evenly; None on regular grids.
    """

    each: tuple[np.ndarray, ...]
    times: np.ndarray | None = None

    @cached_property
    def layout(self) -> Concatenation:
        """How they are laid end to end."""
        return Concatenation(tuple(map(len, self.each)))

    @cached_property
    def values(self) -> np.ndarray:
        """All recordings ``(sum of T_r, m)``."""
        return np.concatenate(self.each) if len(self.each) > 1 else self.each[0]

    @cached_property
    def mask(self) -> np.ndarray | None:
        """Where there is a value ``(sum of T_r, m)``; None where none is missing."""
        return observed_mask(self.values)

    @cached_property
    def filled(self) -> np.ndarray:
        """The values, interpolated linearly where missing."""
        filled = [interpolated(one, observed_mask(one), self.times) for one in self.each]
        return np.concatenate(filled) if len(filled) > 1 else filled[0]

    def normaliser(self, config: Configuration) -> Normaliser:
        """What ``config.normalise`` asks for; ``"auto"`` whitens where every direction is a source's.

        With more channels than sources whitening amplifies noise, and so it does in weak directions: it amplifies them
        only until the white noise that the recording leaves room for is nu_y, which training takes every normalised
        channel to hold. A map with a nonlinearity in every channel allows no whitening, which mixes channels before it.
        """
        if config.normalise != AUTO:
            return fit_normaliser(self.values, config.normalise)
        if config.mixing.is_channelwise or self.values.shape[1] > config.n_sources:
            return fit_normaliser(self.values, "standardise")
        each = np.split(self.filled, np.cumsum(self.layout.lengths)[:-1])  # where two meet, a jump is no noise
        floor = float(np.average([noise_floor(one) for one in each], weights=self.layout.lengths))
        return fit_normaliser(self.values, "whiten", floor=min(1.0, floor / config.objective.nu_y))

    def normalised(self, normaliser: Normaliser) -> tuple[np.ndarray, np.ndarray | None]:
        """All recordings, padded to the length of the longest, and the mask of their values."""
        rows = normaliser.forward(self.filled).astype(np.float32)
        mask = None if self.mask is None else normaliser.forward_mask(self.mask)
        return self.layout.pad(rows), self.layout.pad_mask(mask, rows.shape)

    def require_memory(self, config: Configuration, verbose: bool | str) -> int | None:
        """How many fits fit into memory side by side; None: unknown.

        :class:`InsufficientMemoryError` where not one does.
        """
        layout, n_channels = self.layout, self.values.shape[1]
        gaps = {"regular": self.times is None, "gaps": self.mask is not None}
        if layout.n_recordings == 1:
            estimate = memory_estimate(layout.length, n_channels, config, **gaps)
            return require_memory(estimate, f"Fitting {layout.length} samples", verbose)
        n_samples = layout.n_recordings * layout.length
        estimate = memory_estimate(n_samples, n_channels, config, longest=layout.length)
        what = f"Fitting {layout.n_recordings} recordings of up to {layout.length} samples"
        return require_memory(estimate, what, verbose)


def separate(recordings: Recordings, request: Request) -> list[Result]:
    """Sources of every recording, in order.

    With ``mixing="auto"`` a network is fitted, and the matrix instead where the network explains no more beyond it than
    noise can (the finding ``linear-suffices``). The checkpoint of the linear fit stands beside the other's, which stays
    until both are done, so that a killed fit need not train the network again.

    Raises
    ------
    OptionError, InsufficientMemoryError
        For a configuration that does not suit the recordings, or more memory than there is.
    StorageError
        For a checkpoint that cannot be written, or is of other recordings or another configuration.
    NumericsError
        Where training left the range of numbers before anything was learned.
    """
    began = time.perf_counter()
    first, *linear = request.candidate_mixings
    checkpoint = request.checkpoint and CheckpointFile.of(request.checkpoint)
    beside = checkpoint.beside(linear[0].name) if checkpoint and linear else None
    if checkpoint and beside and beside.path.exists() and not checkpoint.path.exists():
        raise StorageError(
            f"{beside.path} is left of a fit whose other checkpoint, {checkpoint.path.name}, is gone; delete it to "
            "start anew."
        )
    results = _separate(recordings, request, first, checkpoint)
    if linear and _linear_suffices(results):
        results = _separate(recordings, request, linear[0], beside)
        note = Finding(LINEAR_SUFFICES, "note", (), CHOSEN)
        results = [dataclasses.replace(one, findings=(*one.findings, note)) for one in results]
        if beside and not results[0].training.interrupted:
            beside.remove()  # before the other's: alone it would be in the way of the next fit
    if checkpoint and not results[0].training.interrupted:
        checkpoint.remove()
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
    layout = recordings.layout
    config = request.configuration(recordings, mixing)
    guess = request.guess(len(recordings.values), config.n_sources)
    n_parallel = recordings.require_memory(config, request.verbose)
    devices_for(config.training.n_devices)  # refused before the initialisation, not after it
    normaliser = recordings.normaliser(config)
    observed, mask = recordings.normalised(normaliser)
    with numerics():
        _check_priors(recordings, config)
        shared = layout if layout.n_recordings > 1 else None
        initialisation = initialise(
            observed, recordings.times, config, mask=mask, guess=guess, seed=request.seed, layout=shared
        )
        training = train(
            initialisation,
            record=config.training.record_epochs,
            callbacks=request.callbacks,
            verbose=request.verbose,
            checkpoint=checkpoint,
            at_once=n_parallel,
        )
        posteriors, as_trained, mean, deviation = _posteriors(recordings, normaliser, training.model, config, request)
    regression = np.linalg.lstsq(layout.unpad(observed), mean, rcond=None)[0].T
    # The rule names channels of the recording, which whitened ones are not.
    readout = choose_readout(mean, fit_normaliser(recordings.values, "standardise").forward(recordings.filled))
    results = []
    for number, (own, posterior) in enumerate(zip(training.of_recordings(layout), posteriors, strict=True)):
        rows = slice(sum(layout.lengths[:number]), sum(layout.lengths[: number + 1]))
        seen, times = observed_mask(recordings.each[number]), recordings.times
        separation = Separation(
            config, normaliser, own.model, readout, regression, request.seed, seen, times, posterior, as_trained
        )
        shown = readout.show(mean[rows]), readout.spread(deviation[rows])
        results.append(_diagnosed(recordings, number, request, separation, own, *shown))
    return results


def _check_priors(recordings: Recordings, config: Configuration) -> None:
    """Refuse priors that the posterior cannot use, before the fit and not after it."""
    layout, priors = recordings.layout, build_priors(config.initial_priors, recordings.layout.length)
    if recordings.times is not None and isinstance(config.uncertainty, Laplace) and config.prior != AUTO:
        eqx.filter_eval_shape(priors.covariances, jnp.asarray(recordings.times))
    if not layout.equal_lengths:
        try:
            eqx.filter_eval_shape(lambda: priors.of_segment(0.5))
        except OptionError as error:
            raise OptionError(
                f"The recordings have from {min(layout.lengths)} to {layout.length} samples, and the prior is written "
                "for one length; cut them to the same length, or give it the method of_segment (Prior.of_segment)."
            ) from error


def _posteriors(
    recordings: Recordings, normaliser: Normaliser, model: Model, config: Configuration, request: Request
) -> tuple[Sequence[Posterior | None], bool, np.ndarray, np.ndarray]:
    """The posterior of every recording; whether its noise is as trained; all means and deviations ``(sum of T_r, n)``.

    Without a posterior, by Monte Carlo, the moments of draws through the reverse diffusion.
    """
    layout, n_draws, key = recordings.layout, config.uncertainty.n_draws, moment_key(request.seed)
    if not isinstance(config.uncertainty, Laplace):
        posteriors: Sequence[Posterior | None] = [None] * layout.n_recordings
        as_trained = False
        mean, deviation = (layout.unpad(np.asarray(rows).T) for rows in moments(model, key, n_draws))
    else:
        whole = layout.n_recordings == 1 and recordings.mask is None
        as_trained = whole and noise_as_trained(normaliser, model, recordings.filled, recordings.times, config)
        channels, channel_model = in_recording_channels(normaliser, model, as_trained=as_trained)
        segments = segments_of(layout.length, config, recordings.times)
        rows = recordings.normalised(channels)
        posteriors, mean, deviation = posteriors_of(
            channel_model, *rows, recordings.times, segments, jax.random.split(key, n_draws)
        )
    if not np.isfinite(mean).all():
        raise NumericsError("The fit left no finite sources; lower learning_rate, or raise nu_y.")
    return posteriors, as_trained, mean, deviation


def _diagnosed(
    recordings: Recordings,
    number: int,
    request: Request,
    separation: Separation,
    training: TrainingResult,
    mean: np.ndarray,
    deviation: np.ndarray,
) -> Result:
    """What one recording leaves behind, with all that speaks against it."""
    values = recordings.each[number]
    sources, sources_std = mean.astype(values.dtype), deviation.astype(values.dtype)
    n_samples, n_channels = values.shape
    device, config = available_devices()[0], separation.settings
    estimate = memory_estimate(n_samples, n_channels, config, regular=recordings.times is None)
    info = {
        "preset": request.preset,
        "seed": request.seed,
        "n_samples": n_samples,
        "n_channels": n_channels,
        "memory_needed": round(estimate),  # bytes, as estimated before the fit
        "device": device.platform,
        "device_kind": device.device_kind,
        "n_devices": training.n_devices,
        "versions": {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()},
    }
    info |= stability_of(training, separation.readout)
    n_together = len(recordings.values)
    findings = diagnose(
        separation, training, values, sources, sources_std, info.get("stability"), n_together=n_together
    )
    return Result(separation, training, sources, sources_std, tuple(findings), info)
