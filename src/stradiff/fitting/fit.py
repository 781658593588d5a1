"""A whole fit: chunks of compiled epochs, and between them whatever must look at them from outside."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from stradiff.fitting import trainer
from stradiff.fitting.callbacks import Callback, EarlyStopping, History, ProgressBar, Report
from stradiff.fitting.recorder import PathRecorder
from stradiff.fitting.settings import Settings
from stradiff.fitting.trainer import CHUNK, TrainInfo, TrainState
from stradiff.fitting.warm_start import initial_model
from stradiff.model.model import Model
from stradiff.model.visible import count_visible


@dataclasses.dataclass(frozen=True)
class Restart:
    """What is kept of a fit among several, chosen or not."""

    seed: int
    objective: float
    """Mean over the last epochs, in nats; infinite where training diverged or never began."""
    sources: np.ndarray
    """(T, n) at the mean start, as the model has them."""


@dataclasses.dataclass
class Fit:
    """What a fit leaves behind."""

    model: Model
    history: dict[str, np.ndarray]
    paths: dict[int, np.ndarray]
    n_epochs: int
    converged: bool = False
    interrupted: bool = False
    diverged: bool = False
    restarts: tuple[Restart, ...] = ()


def fit(
    observed: np.ndarray,
    times: np.ndarray | None,
    settings: Settings,
    *,
    seen: np.ndarray | None = None,
    guess: np.ndarray | None = None,
    seed: int = 0,
    record: tuple[int, ...] | str = "auto",
    callbacks: Sequence[Callback] = (),
    verbose: bool | str = False,
) -> Fit:
    """Algorithm 1 on normalised observations ``(T, m)``, ``times`` normalised to [0, 1] or None.

    ``seen`` (``stradiff.model.visible``) leaves missing samples out of the reconstruction; what stands in their place
    among the observations serves the warm start alone.
    An objective that stops being finite ends the fit with the state before it; so does Ctrl-C.
    """
    model_key, train_key, path_key = jax.random.split(jax.random.key(seed), 3)
    model = initial_model(observed, times, settings, model_key, guess)
    loop = _Loop(jnp.asarray(observed, jnp.float32), times, settings, trainer.init(model, train_key), seen)
    noise = jax.random.normal(path_key, model.branches.start.mean.shape, jnp.float32)
    recorder, stopping = PathRecorder(record, noise, CHUNK), EarlyStopping(settings.tol)
    recorder.look(model, 0)
    result = Fit(model, {}, {}, 0)
    with ProgressBar(verbose, settings.max_epochs) as bar:
        try:
            while loop.epoch < settings.max_epochs:
                loop.advance(recorder.next_stop(loop.epoch, settings.max_epochs))
                report = loop.report()
                watchers: list[Callback] = [bar, stopping, *callbacks]
                if any([look(report) for look in watchers]):  # a list, so that every one is called
                    break
                recorder.look(loop.state.model, loop.epoch)
        except KeyboardInterrupt:
            result.interrupted = True
        except FloatingPointError:
            result.diverged = True
    recorder.look(loop.state.model, loop.epoch, last=True)
    result.model, result.n_epochs, result.converged = loop.state.model, loop.epoch, stopping.converged
    result.history, result.paths = loop.history.as_dict(), recorder.paths
    return result


class _Loop:
    """The state of training and its history, moved on a chunk at a time."""

    def __init__(
        self,
        observed: jax.Array,
        times: np.ndarray | None,
        settings: Settings,
        state: TrainState,
        seen: np.ndarray | None,
    ) -> None:
        self.state = state
        self.history = History(state.model.n_sources)
        self.epoch = 0
        self._observed = observed
        self._times = None if times is None else jnp.asarray(times)
        self._settings = settings
        self._seen = None if seen is None else jnp.asarray(seen, jnp.float32)
        self._n_values = round(float(count_visible(self._seen, observed.size)))

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

    def _run(self, n_epochs: int) -> tuple[TrainState, TrainInfo]:
        rate, count = jnp.float32(self._settings.learning_rate), jnp.int32(n_epochs)
        state, settings = self.state, self._settings.training
        result = trainer.run(state, self._observed, self._times, settings, rate, count, self._seen)
        return jax.block_until_ready(result)

    def report(self) -> Report:
        """What callbacks are told."""
        model = self.state.model

        def sources() -> np.ndarray:
            return np.asarray(model.at(jnp.zeros_like(model.branches.start.mean))).T

        return Report(self.epoch, self._settings.max_epochs, self._n_values, self.history.as_dict(), sources)
