"""Training on its way: the state and the history, moved on a chunk of epochs at a time."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from stradiff.config import Settings
from stradiff.model.model import Model
from stradiff.model.visibility import count_visible
from stradiff.train import minibatch_step as window_trainer
from stradiff.train import step as trainer
from stradiff.train.callbacks import History, Report
from stradiff.train.minibatch_step import MinibatchState, State
from stradiff.train.minibatches import Minibatches
from stradiff.train.sharding import Sharding, devices_for
from stradiff.train.step import CHUNK, TrainInfo, TrainState


class Loop:
    """The state of training and its history; ``model`` is where it begins."""

    def __init__(
        self,
        observed: np.ndarray,
        times: np.ndarray | None,
        settings: Settings,
        model: Model,
        key: jax.Array,
        seen: np.ndarray | None,
    ) -> None:
        self._windows = minibatches_of(len(observed), settings, regular=times is None)
        devices = devices_for(settings.n_devices)
        self.state: State
        if self._windows is None:
            self.sharding = Sharding.of_sources(devices, model.n_sources)
            with self.sharding.in_force():
                self.state = trainer.init(model, key)
        else:
            self.sharding = Sharding.of_segments(devices, self._windows.at_once)
            self.state = window_trainer.init(model, key, self._windows)
        self.state = self.sharding.placed(self.state)
        self.history = History(model.n_sources)
        self.epoch = 0
        self._observed = self.sharding.on_all(jnp.asarray(observed, jnp.float32))
        self._times = None if times is None else self.sharding.on_all(jnp.asarray(times))
        self._settings = settings
        self._seen = None if seen is None else self.sharding.on_all(jnp.asarray(seen, jnp.float32))
        self._n_values = round(float(count_visible(self._seen, observed.size)))

    def go_to(self, state: State, history: dict[str, np.ndarray]) -> None:
        """On from a state of the same fit."""
        self.state, self.epoch = self.sharding.placed(state), int(state.epoch)
        self.history.restore(history)

    def advance(self, stop: int) -> None:
        """Up to CHUNK epochs, not beyond ``stop``; FloatingPointError, and no move, where numbers end.

        The objective is that before an epoch's step, so the last step shows in the model alone.
        """
        n_epochs = min(CHUNK, stop - self.epoch)
        state, info = self._run(n_epochs)
        if not all(np.isfinite(leaf).all() for leaf in [info.total[:n_epochs], *jax.tree.leaves(state.model)]):
            raise FloatingPointError
        self.history.append(info, n_epochs)
        self.state, self.epoch = state, self.epoch + n_epochs

    def _run(self, n_epochs: int) -> tuple[State, TrainInfo]:
        how = (self._settings.training, jnp.float32(self._settings.learning_rate), jnp.int32(n_epochs), self._seen)
        result: tuple[State, TrainInfo]
        with self.sharding.in_force():
            if self._windows is not None and isinstance(self.state, MinibatchState):
                result = window_trainer.run(self.state, self._observed, self._windows, *how)
            else:
                assert isinstance(self.state, TrainState)
                result = trainer.run(self.state, self._observed, self._times, *how)
        return jax.block_until_ready(result)

    def report(self) -> Report:
        """What callbacks are told."""
        model = self.state.model
        sources = functools.partial(present_sources, model)
        return Report(self.epoch, self._settings.max_epochs, self._n_values, self.history.as_dict(), sources)


def minibatches_of(n_samples: int, settings: Settings, *, regular: bool) -> Minibatches | None:
    """The windows in which a recording of this length is trained; None where an epoch sees the whole of it."""
    size = settings.window_size(n_samples) if regular else None
    return None if size is None else Minibatches.of(n_samples, size, len(devices_for(settings.n_devices)))


def present_sources(model: Model) -> np.ndarray:
    """``(T, n)`` at the mean start, as the model has them; of several recordings one after the other, bare."""
    sources = np.asarray(model.at_mean()).T
    return sources if model.parts is None else model.parts.bare(sources)


def fit_keys(seed: int) -> jax.Array:
    """Random keys of a fit: its model, its training, and the noise of its recorded paths."""
    return jax.random.split(jax.random.key(seed), 3)
