"""What is separated and how: recordings of one mixing and a request, checked, resolved and normalised."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from stradiff.config import (
    AUTO,
    Checkpoint,
    Configuration,
    Laplace,
    RunOptions,
    read_configuration,
    read_mixing,
    resolve,
)
from stradiff.data import Normaliser, count_sources, fit_normaliser, interpolated, observed_mask
from stradiff.data.checks import as_float_array
from stradiff.data.noise_floor import noise_floor
from stradiff.errors import InputError, OptionError, shortened
from stradiff.files import check_room
from stradiff.initialise.priors import build_priors
from stradiff.model import numerics
from stradiff.model.concatenation import Concatenation
from stradiff.model.mixing import MLP, Linear, MixingSpec
from stradiff.parameters import check_seed, is_count
from stradiff.posterior.memory import memory_estimate, require_memory
from stradiff.train import Callback
from stradiff.train.checkpoint import disk_estimate
from stradiff.train.sharding import devices_for


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
        """How they are concatenated."""
        return Concatenation(tuple(map(len, self.each)))

    @cached_property
    def values(self) -> np.ndarray:
        """All recordings ``(sum of T_r, m)``."""
        return np.concatenate(self.each)

    @cached_property
    def mask(self) -> np.ndarray | None:
        """Where there is a value ``(sum of T_r, m)``; None where none is missing."""
        return observed_mask(self.values)

    @cached_property
    def filled(self) -> np.ndarray:
        """The values, interpolated linearly where missing."""
        return np.concatenate([interpolated(one, observed_mask(one), self.times) for one in self.each])

    def split(self, rows: np.ndarray) -> list[np.ndarray]:
        """Rows ``(sum of T_r, ..)`` of every recording."""
        return np.split(rows, np.cumsum(self.layout.lengths)[:-1])

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
        floors = [noise_floor(one) for one in self.split(self.filled)]  # where two meet, a jump is no noise
        floor = float(np.average(floors, weights=self.layout.lengths))
        return fit_normaliser(self.values, "whiten", floor=min(1.0, floor / config.objective.nu_y))

    def normalised(self, normaliser: Normaliser) -> tuple[np.ndarray, np.ndarray | None]:
        """All recordings, padded to the length of the longest, and the mask of their values."""
        rows = normaliser.forward(self.filled).astype(np.float32)
        mask = None if self.mask is None else normaliser.forward_mask(self.mask)
        return self.layout.pad(rows), self.layout.pad_mask(mask, rows.shape)

    def require_memory(self, config: Configuration, verbose: bool | str) -> int | None:
        """How many fits fit into memory side by side, None where unknown.

        :class:`InsufficientMemoryError` where not one does.
        """
        layout, n_channels = self.layout, self.values.shape[1]
        options: dict[str, Any]
        if layout.n_recordings == 1:
            options = {"regular": self.times is None, "gaps": self.mask is not None}
            task = f"Fitting {layout.length} samples"
        else:
            options = {"longest": layout.length}
            task = f"Fitting {layout.n_recordings} recordings of up to {layout.length} samples"
        estimate = memory_estimate(layout.n_recordings * layout.length, n_channels, config, **options)
        return require_memory(estimate, task, verbose)

    def check_room(self, config: Configuration, checkpoint: Checkpoint) -> None:
        """:class:`StorageError` where the disk of a checkpoint has no room for it and for the results."""
        path = Path(checkpoint.path)
        present = path.stat().st_size if path.exists() else 0
        needed = disk_estimate(len(self.values), self.values.shape[1], config) - present
        check_room(path.parent, needed, f"Fitting {len(self.values)} samples")


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
        """Of the parameters of an estimator; :class:`OptionError` for one that cannot be."""
        options, init = RunOptions(**{name: parameters[name] for name in RunOptions.reasons()}), parameters["init"]
        is_named = init is None or isinstance(init, str)
        fields = ("prior", "normalise", "n_restarts", "diffusion", "objective", "training", "uncertainty")
        given = {name: parameters[name] for name in fields} | {"init": init if is_named else "given"}
        if options.checkpoint and not is_count(options.random_state):
            raise OptionError(
                f"random_state={shortened(options.random_state)} must be a number where there is a checkpoint: with "
                "another seed next time, training could not go on."
            )
        return cls(
            options.preset,
            read_configuration(given),
            read_mixing(parameters["mixing"]),
            options.n_components,
            None if is_named else init,
            check_seed(options.random_state),
            options.checkpoint,
            options.verbose,
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
        """The complete configuration for these recordings; :class:`OptionError` for one that does not suit them."""
        n_components, n_channels = self.n_components, recordings.values.shape[1]
        if isinstance(n_components, str):
            n_components = count_sources(recordings.values)
        training = self.given.training.replace(callbacks=())  # no part of what decides the result
        n_sources = n_channels if n_components is None else n_components
        config = resolve(self.preset, self.given.replace(n_sources=n_sources, mixing=mixing, training=training))
        config.check(min(recordings.layout.lengths))
        return config.for_recordings(recordings.layout.lengths)

    def guess(self, n_samples: int, n_sources: int) -> np.ndarray | None:
        """The given initial sources: ``(T, n)``, finite, none constant; :class:`InputError` otherwise."""
        if self.init is None:
            return None
        try:
            sources = as_float_array(self.init, subject="sources in init").astype(np.float64)
        except InputError as error:
            raise type(error)(f"In init: {error}") from error
        if sources.shape != (n_samples, n_sources):
            raise InputError(
                f"init has shape {sources.shape}; the sources to start from must be {(n_samples, n_sources)}."
            )
        if not np.isfinite(sources).all() or (sources.std(axis=0) == 0).any():
            raise InputError("init must hold finite sources, none of them constant; start from init='sobi' otherwise.")
        return sources


@dataclasses.dataclass(frozen=True)
class Problem:
    """Recordings as they are fitted with one mixing map.

    Attributes
    ----------
    observed : normalised recordings ``(R T, m')``, padded to the length of the longest.
    mask : where ``observed`` has values (``stradiff.model.observation_mask``); None: everywhere.
    guess : sources ``(sum of T_r, n)`` to start from, where they are given.
    n_parallel : how many fits fit into memory side by side; None: unknown.
    """

    recordings: Recordings
    config: Configuration
    seed: int
    normaliser: Normaliser
    observed: np.ndarray
    mask: np.ndarray | None
    guess: np.ndarray | None
    n_parallel: int | None


def prepare(recordings: Recordings, request: Request, mixing: MixingSpec) -> Problem:
    """All that is refused before the work begins, and the recordings normalised.

    Raises
    ------
    OptionError, InputError, InsufficientMemoryError, StorageError
        For a configuration that does not suit the recordings, initial sources of another shape, more memory than
        there is, or a disk without room for the checkpoint.
    """
    config = request.configuration(recordings, mixing)
    guess = request.guess(len(recordings.values), config.n_sources)
    n_parallel = recordings.require_memory(config, request.verbose)
    if request.checkpoint:
        recordings.check_room(config, request.checkpoint)
    devices_for(config.training.n_devices)
    _check_priors(recordings, config)
    normaliser = recordings.normaliser(config)
    observed, mask = recordings.normalised(normaliser)
    return Problem(recordings, config, request.seed, normaliser, observed, mask, guess, n_parallel)


def _check_priors(recordings: Recordings, config: Configuration) -> None:
    """Refuse priors that the posterior cannot use."""
    layout = recordings.layout
    with numerics():
        priors = build_priors(config.initial_priors, layout.length)
        if recordings.times is not None and isinstance(config.uncertainty, Laplace) and config.prior != AUTO:
            eqx.filter_eval_shape(priors.covariances, jnp.asarray(recordings.times))
        if layout.equal_lengths:
            return
        try:
            eqx.filter_eval_shape(lambda: priors.of_segment(0.5))
        except OptionError as error:
            raise OptionError(
                f"The recordings have from {min(layout.lengths)} to {layout.length} samples, and the prior is written "
                "for one length; cut them to the same length, or give it the method of_segment (Prior.of_segment)."
            ) from error
