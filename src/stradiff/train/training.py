"""A whole fit: chunks of compiled epochs, and between them whatever must look at them from outside."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from stradiff.config import Settings
from stradiff.errors import StorageError
from stradiff.initialise.model import initial_model
from stradiff.interrupts import OnlyTheFirst
from stradiff.model.concatenation import Concatenation
from stradiff.model.model import Model
from stradiff.train.callbacks import Callback, EarlyStopping, ProgressBar
from stradiff.train.checkpoint import Checkpoint, CheckpointContents, digest_of
from stradiff.train.loop import Loop, fit_keys
from stradiff.train.minibatch_step import MinibatchState
from stradiff.train.path_recorder import PathRecorder
from stradiff.train.sharding import devices_for
from stradiff.train.step import CHUNK
from stradiff.train.trials import ranked_starts


@dataclasses.dataclass(frozen=True)
class Restart:
    """What is kept of a fit among several, chosen or not."""

    seed: int
    objective: float
    """In nats, mean over the last epochs before the verdict; infinite where training diverged or never began."""
    sources: np.ndarray
    """(T, n) at the mean start, as the model has them where training left it."""


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
    parts: Concatenation | None = None,
) -> Fit:
    """Algorithm 1 on normalised observations ``(T, m)``, ``times`` normalised to [0, 1] or None.

    ``seen`` (``stradiff.model.visibility``) leaves missing samples out of the reconstruction; what stands in their place
    among the observations serves the warm start alone.
    An objective that stops being finite ends the fit with the state before it; so does Ctrl-C after the first epochs.
    Where ``checkpoint`` has a file of the same fit, training goes on from there.
    ``parts``: the observations are those of several recordings, on regular grids, and trained with window="whole".
    """
    devices_for(settings.n_devices)  # refused before the warm start, not after it
    starts, settings = ranked_starts(observed, times, settings, seen, guess, seed=seed, verbose=verbose, parts=parts)
    how: dict[str, Any] = {"seen": seen, "guess": guess, "record": record, "checkpoint": checkpoint, "parts": parts}
    training = Training(observed, times, settings, starts[0] if starts else None, seed=seed, **how)
    with ProgressBar(verbose, settings.max_epochs) as bar:
        training.go_on(settings.max_epochs, [bar, *callbacks])
        if training.interrupted:
            bar.stopped(training.epoch)
    return training.result()


class Training:
    """A fit on its way: at its beginning, or where its checkpoint left it.

    Parameters are those of ``fit``; ``start (T, n)`` are the sources to begin with, which ``settings.init`` and
    ``guess`` ask for, None: at random.
    """

    def __init__(
        self,
        observed: np.ndarray,
        times: np.ndarray | None,
        settings: Settings,
        start: np.ndarray | None,
        *,
        seen: np.ndarray | None = None,
        guess: np.ndarray | None = None,
        seed: int = 0,
        record: tuple[int, ...] | str = "auto",
        checkpoint: Checkpoint | None = None,
        parts: Concatenation | None = None,
    ) -> None:
        model_key, train_key, path_key = fit_keys(seed)
        model = initial_model(observed, times, settings, model_key, start, parts)
        self._loop = Loop(observed, times, settings, model, train_key, seen)
        noise = jax.random.normal(path_key, model.branches.start.mean.shape, np.float32)
        if isinstance(self._loop.state, MinibatchState) and record == "auto":
            record = ()  # the end alone: the paths of a long recording are twenty times as much as its sources
        self._recorder, self._stopping = PathRecorder(record, noise, CHUNK), EarlyStopping(settings.tol)
        self._recorder.look(model, 0)
        self._n_devices = self._loop.sharding.n_devices  # the last bits of a fit depend on these
        task = ""
        if checkpoint:
            task = digest_of(observed, times, settings, seen, guess, seed, record, self._n_devices, parts)
        self._keeper = _Keeper(checkpoint, task, settings, self._loop, self._recorder)
        self.interrupted, self.diverged = False, False
        self.over = self._keeper.restore() and self._stopping(self._loop.report())

    @property
    def epoch(self) -> int:
        """How many are done."""
        return self._loop.epoch

    @property
    def model(self) -> Model:
        """As it is now."""
        return self._loop.sharding.collected(self._loop.state.model)

    @property
    def objective(self) -> np.ndarray:
        """Of every epoch so far, in nats; infinite from where it stopped being finite."""
        total = self._loop.history.as_dict()["total"]
        return np.append(total, np.inf) if self.diverged else total

    def go_on(self, stop: int, callbacks: Sequence[Callback]) -> None:
        """Up to epoch ``stop``, unless it is ``over`` before: settled, stopped by somebody, or no longer finite."""
        with OnlyTheFirst() as ctrl_c:
            try:
                while self.epoch < stop and not self.over:
                    self._loop.advance(self._recorder.next_stop(self.epoch, stop))
                    report = self._loop.report()
                    self.over = any([look(report) for look in [self._stopping, *callbacks]])  # every one is called
                    if not self.over:
                        self._recorder.look(self._loop.state.model, self.epoch)
                        self._keeper.look()
            except KeyboardInterrupt:
                if not self.epoch:
                    raise  # nothing was learned that could be kept
                self.interrupted = True
            except FloatingPointError:
                self.diverged = True
            ctrl_c.wait()  # a second one must not take what the first has left
            self.over |= self.interrupted or self.diverged
            self._keeper.look(last=True)

    def result(self) -> Fit:
        """What it leaves behind."""
        self._recorder.look(self._loop.state.model, self.epoch, last=True)
        return Fit(
            self.model,
            self._loop.history.as_dict(),
            self._recorder.paths,
            self.epoch,
            converged=self._stopping.converged,
            interrupted=self.interrupted,
            diverged=self.diverged,
            n_devices=self._n_devices,
        )


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
        kept = CheckpointContents(self._loop.state, self._loop.history.as_dict(), self._recorder.paths)
        try:
            self._checkpoint.write(kept, self._task, self._settings)
        except StorageError as error:
            warnings.warn(
                f"No checkpoint from here on; training goes on without. {error}", RuntimeWarning, stacklevel=2
            )
            self._checkpoint = None
