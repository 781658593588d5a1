"""A whole fit: chunks of compiled epochs, and between them whatever must look at them from outside."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence

import jax
import numpy as np

from stradiff.errors import StorageError
from stradiff.fitting.callbacks import Callback, EarlyStopping, ProgressBar
from stradiff.fitting.checkpoint import Checkpoint, Kept, task_of
from stradiff.fitting.loop import Loop, fit_keys
from stradiff.fitting.race import starts_in_order
from stradiff.fitting.recorder import PathRecorder
from stradiff.fitting.settings import Settings
from stradiff.fitting.sharing import devices_for
from stradiff.fitting.trainer import CHUNK
from stradiff.fitting.warm_start import initial_model
from stradiff.fitting.window_trainer import WindowState
from stradiff.interrupts import OnlyTheFirst
from stradiff.model.model import Model
from stradiff.model.parts import Parts


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
    n_devices: int = 1
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
    checkpoint: Checkpoint | None = None,
    parts: Parts | None = None,
) -> Fit:
    """Algorithm 1 on normalised observations ``(T, m)``, ``times`` normalised to [0, 1] or None.

    ``seen`` (``stradiff.model.visible``) leaves missing samples out of the reconstruction; what stands in their place
    among the observations serves the warm start alone.
    An objective that stops being finite ends the fit with the state before it; so does Ctrl-C after the first epochs.
    Where ``checkpoint`` has a file of the same fit, training goes on from there.
    ``parts``: the observations are those of several recordings, on regular grids, and trained with window="whole".
    """
    devices_for(settings.n_devices)  # refused before the warm start, not after it
    model_key, train_key, path_key = fit_keys(seed)
    starts, settings = starts_in_order(observed, times, settings, seen, guess, seed=seed, verbose=verbose, parts=parts)
    model = initial_model(observed, times, settings, model_key, starts[0] if starts else None, parts)
    loop = Loop(observed, times, settings, model, train_key, seen)
    noise = jax.random.normal(path_key, model.branches.start.mean.shape, np.float32)
    if isinstance(loop.state, WindowState) and record == "auto":
        record = ()  # the end alone: the paths of a long recording are twenty times as much as its sources
    recorder, stopping = PathRecorder(record, noise, CHUNK), EarlyStopping(settings.tol)
    recorder.look(model, 0)
    result = Fit(model, {}, {}, 0, n_devices=loop.sharing.n_devices)  # the last bits of a fit depend on these
    task = task_of(observed, times, settings, seen, guess, seed, record, result.n_devices, parts) if checkpoint else ""
    keeper = _Keeper(checkpoint, task, settings, loop, recorder)
    done = keeper.restore() and stopping(loop.report())
    with OnlyTheFirst() as ctrl_c, ProgressBar(verbose, settings.max_epochs) as bar:
        try:
            while loop.epoch < settings.max_epochs and not done:
                loop.advance(recorder.next_stop(loop.epoch, settings.max_epochs))
                report = loop.report()
                watchers: list[Callback] = [bar, stopping, *callbacks]
                if any([look(report) for look in watchers]):  # a list, so that every one is called
                    break
                recorder.look(loop.state.model, loop.epoch)
                keeper.look()
        except KeyboardInterrupt:
            if not loop.epoch:
                raise  # nothing was learned that could be kept
            result.interrupted = True
        except FloatingPointError:
            result.diverged = True
        ctrl_c.wait()  # a second one must not take what the first has left
        keeper.look(last=True)
        if result.interrupted:
            bar.stopped(loop.epoch)
    recorder.look(loop.state.model, loop.epoch, last=True)
    result.model = loop.sharing.collected(loop.state.model)
    result.n_epochs, result.converged = loop.epoch, stopping.converged
    result.history, result.paths = loop.history.as_dict(), recorder.paths
    return result


class _Keeper:
    """The checkpoint of a fit, where there is one: the state, the history and the paths, read and written together."""

    def __init__(
        self, checkpoint: Checkpoint | None, task: str, settings: Settings, loop: Loop, recorder: PathRecorder
    ) -> None:
        self._checkpoint, self._task, self._settings = checkpoint, task, settings
        self._loop, self._recorder = loop, recorder

    def restore(self) -> bool:
        """Go to where the file is; whether there was one."""
        kept = self._checkpoint.read(self._loop.state, self._task, self._settings) if self._checkpoint else None
        if kept is None:
            return False
        self._loop.go_to(kept.state, kept.history)
        self._recorder.go_to(kept.paths, self._loop.state.model, self._loop.epoch)
        return True

    def look(self, *, last: bool = False) -> None:
        """Write if it is time, or if training is over; a disk that refuses costs the checkpoint and not the fit."""
        if self._checkpoint is None or not (last or self._checkpoint.due):
            return
        kept = Kept(self._loop.state, self._loop.history.as_dict(), self._recorder.paths)
        try:
            self._checkpoint.write(kept, self._task, self._settings)
        except StorageError as error:
            warnings.warn(
                f"No checkpoint from here on; training goes on without. {error}", RuntimeWarning, stacklevel=2
            )
            self._checkpoint = None
