"""The state of training and its history, advanced by a chunk of epochs at a time."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from stradiff.config import Configuration
from stradiff.model.model import Model
from stradiff.model.observation_mask import count_observed
from stradiff.train import minibatch_step, step
from stradiff.train.callbacks import History, Report
from stradiff.train.minibatch_step import MinibatchState, State
from stradiff.train.minibatches import Minibatches
from stradiff.train.sharding import Sharding, devices_for
from stradiff.train.step import CHUNK, StepSettings, TrainInfo, TrainState


class Loop:
    """The state of training and its history; ``model`` is where it begins."""

    def __init__(
        self,
        observed: np.ndarray,
        times: np.ndarray | None,
        settings: Configuration,
        model: Model,
        key: jax.Array,
        mask: np.ndarray | None,
    ) -> None:
        self._minibatches = minibatches_of(len(observed), settings, regular=times is None)
        devices = devices_for(settings.training.n_devices)
        self.state: State
        if self._minibatches is None:
            self.sharding = Sharding.of_sources(devices, model.n_sources)
            with self.sharding.in_force():
                self.state = step.init(model, key)
        else:
            self.sharding = Sharding.of_segments(devices, self._minibatches.at_once)
            self.state = minibatch_step.init(model, key, self._minibatches)
        self.state = self.sharding.placed(self.state)
        self.history = History(model.n_sources)
        self.epoch = 0
        self._observed = self.sharding.on_all(jnp.asarray(observed, jnp.float32))
        self._times = None if times is None else self.sharding.on_all(jnp.asarray(times))
        self._settings = settings
        self._mask = None if mask is None else self.sharding.on_all(jnp.asarray(mask, jnp.float32))
        self._n_values = round(float(count_observed(self._mask, observed.size)))

    def go_to(self, state: State, history: dict[str, np.ndarray]) -> None:
        """Go on from a state of the same fit."""
        self.state, self.epoch = self.sharding.placed(state), int(state.epoch)
        self.history.restore(history)

    def advance(self, stop: int) -> None:
        """Up to CHUNK epochs, not beyond ``stop``; FloatingPointError, and no change, where a number is not finite.

        The objective is that before an epoch's step, so the last step shows in the model alone.
        """
        n_epochs = min(CHUNK, stop - self.epoch)
        state, info = self._run(n_epochs)
        if not all(np.isfinite(leaf).all() for leaf in [info.total[:n_epochs], *jax.tree.leaves(state.model)]):
            raise FloatingPointError
        self.history.append(info, n_epochs)
        self.state, self.epoch = state, self.epoch + n_epochs

    def _run(self, n_epochs: int) -> tuple[State, TrainInfo]:
        options = (
            StepSettings.of(self._settings),
            jnp.float32(self._settings.training.learning_rate),
            jnp.int32(n_epochs),
            self._mask,
        )
        result: tuple[State, TrainInfo]
        with self.sharding.in_force():
            if self._minibatches is not None and isinstance(self.state, MinibatchState):
                result = minibatch_step.run(self.state, self._observed, self._minibatches, *options)
            else:
                assert isinstance(self.state, TrainState)
                result = step.run(self.state, self._observed, self._times, *options)
        return jax.block_until_ready(result)

    def report(self) -> Report:
        """What callbacks are called with."""
        model = self.state.model
        sources = functools.partial(present_sources, model)
        return Report(self.epoch, self._settings.training.max_epochs, self._n_values, self.history.as_dict(), sources)


def minibatches_of(n_samples: int, settings: Configuration, *, regular: bool) -> Minibatches | None:
    """The minibatches by which a recording of this length is trained; None where an epoch sees the whole of it."""
    size = settings.segment_length(n_samples) if regular else None
    return None if size is None else Minibatches.of(n_samples, size, len(devices_for(settings.training.n_devices)))


def present_sources(model: Model) -> np.ndarray:
    """``(T, n)`` at the mean start, as the model has them; several recordings stand end to end, without padding."""
    sources = np.asarray(model.at_mean()).T
    return sources if model.layout is None else model.layout.unpad(sources)
