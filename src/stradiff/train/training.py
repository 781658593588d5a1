"""One training run: chunks of compiled epochs, and between them callbacks, recorded paths and the checkpoint."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence

import jax
import numpy as np

from stradiff.config import Configuration
from stradiff.errors import StorageError
from stradiff.initialise import Initialisation, Start
from stradiff.initialise.seeds import fit_keys
from stradiff.interrupts import DeferredInterrupts
from stradiff.model.concatenation import Concatenation
from stradiff.model.model import Model
from stradiff.train.callbacks import Callback, EarlyStopping
from stradiff.train.checkpoint import CheckpointContents, CheckpointFile, digest_of
from stradiff.train.loop import Loop
from stradiff.train.minibatch_step import MinibatchState
from stradiff.train.path_recorder import PathRecorder
from stradiff.train.step import CHUNK


@dataclasses.dataclass(frozen=True)
class Restart:
    """What is kept of one restart, the best or another."""

    seed: int
    objective: float
    """In nats, mean over the last epochs of the rung; infinite where training diverged or never began."""
    sources: np.ndarray
    """(T, n) at the mean start, as the model has them where training left it."""


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """What training leaves behind; nothing changes it afterwards."""

    model: Model
    history: dict[str, np.ndarray]
    paths: dict[int, np.ndarray]
    n_epochs: int
    converged: bool = False
    interrupted: bool = False
    diverged: bool = False
    n_devices: int = 1
    restarts: tuple[Restart, ...] = ()
    """Of ``n_restarts`` above 1: all that began, the best one first."""

    def of_recordings(self, layout: Concatenation) -> list[TrainingResult]:
        """The same for every recording: its own model and paths, and length-scales in units of its own span."""
        if layout.n_recordings == 1:
            return [self]
        results = []
        for number, span in enumerate(layout.relative_spans().tolist()):
            paths = {epoch: path[:, layout.rows(number)] for epoch, path in self.paths.items()}
            history = self.history | {"length_scales": self.history["length_scales"] / span}
            results.append(dataclasses.replace(self, history=history, paths=paths))
        models = self.model.per_recording()
        return [dataclasses.replace(one, model=model) for one, model in zip(results, models, strict=True)]


class TrainingRun:
    """A training run: at its beginning, or where its checkpoint left it.

    Parameters
    ----------
    start : where it begins.
    seed : of its random numbers.
    record : epochs whose reverse paths are kept; ``"auto"``: the beginning, about the middle and the end.
    checkpoint : file from which it is resumed where there is one of the same run, and to which it is written.
    """

    def __init__(
        self,
        initialisation: Initialisation,
        start: Start,
        seed: int,
        *,
        record: tuple[int, ...] | str = "auto",
        checkpoint: CheckpointFile | None = None,
    ) -> None:
        self.seed = seed
        model_key, train_key, path_key = fit_keys(seed)
        problem, settings = initialisation, initialisation.settings
        model = initialisation.model(start, model_key)
        self._loop = Loop(problem.observed, problem.times, settings, model, train_key, problem.mask)
        noise = jax.random.normal(path_key, model.branches.start.mean.shape, np.float32)
        if isinstance(self._loop.state, MinibatchState) and record == "auto":
            record = ()  # the end alone: the paths of a long recording are twenty times as much as its sources
        self._recorder, self._stopping = PathRecorder(record, noise, CHUNK), EarlyStopping(settings.training.tol)
        self._recorder.look(model, 0)
        self._n_devices = self._loop.sharding.n_devices  # the last bits of a fit depend on these
        task = ""
        if checkpoint:
            data = (problem.observed, problem.times, problem.mask, problem.guess, problem.layout)
            specs = (settings.mixing, settings.initial_priors)  # a name may be registered otherwise next time
            task = digest_of(*data, settings, specs, start.priors.names, seed, record, self._n_devices)
        self._writer = _CheckpointWriter(checkpoint, task, settings, self._loop, self._recorder)
        self.interrupted, self.diverged = False, False
        self.over = self._writer.restore() and self._stopping(self._loop.report())

    @property
    def epoch(self) -> int:
        """Number of epochs done."""
        return self._loop.epoch

    @property
    def model(self) -> Model:
        """After the last epoch."""
        return self._loop.sharding.collected(self._loop.state.model)

    @property
    def objective(self) -> np.ndarray:
        """Of every epoch so far, in nats; infinite from where it stopped being finite."""
        total = self._loop.history.as_dict()["total"]
        return np.append(total, np.inf) if self.diverged else total

    def go_on(self, stop: int, callbacks: Sequence[Callback]) -> None:
        """Up to epoch ``stop``, unless it is ``over`` before: converged, stopped, or no longer finite.

        An objective that stops being finite ends the run with the state before it; so does Ctrl-C after the first
        epochs.
        """
        with DeferredInterrupts() as interrupts:
            try:
                while self.epoch < stop and not self.over:
                    self._loop.advance(self._recorder.next_stop(self.epoch, stop))
                    report = self._loop.report()
                    self.over = any([callback(report) for callback in [self._stopping, *callbacks]])  # all are called
                    if not self.over:
                        self._recorder.look(self._loop.state.model, self.epoch)
                        self._writer.write_if_due()
            except KeyboardInterrupt:
                if not self.epoch:
                    raise  # there is nothing to keep
                self.interrupted = True
            except FloatingPointError:
                self.diverged = True
            interrupts.defer()  # a second one must not take what the first has left
            self.over |= self.interrupted or self.diverged
            self._writer.write_if_due(last=True)

    def result(self) -> TrainingResult:
        """What it leaves behind."""
        self._recorder.look(self._loop.state.model, self.epoch, last=True)
        return TrainingResult(
            self.model,
            self._loop.history.as_dict(),
            self._recorder.paths,
            self.epoch,
            converged=self._stopping.converged,
            interrupted=self.interrupted,
            diverged=self.diverged,
            n_devices=self._n_devices,
        )


class _CheckpointWriter:
    """The checkpoint of a run, where there is one: state, history and paths, read and written together."""

    def __init__(
        self, checkpoint: CheckpointFile | None, task: str, settings: Configuration, loop: Loop, recorder: PathRecorder
    ) -> None:
        self._checkpoint, self._task, self._settings = checkpoint, task, settings
        self._loop, self._recorder = loop, recorder
        self._refused = False

    def restore(self) -> bool:
        """Go to where the file is; whether there was one."""
        contents = self._checkpoint and self._checkpoint.read(self._contents(), self._task, self._settings)
        if not contents:
            return False
        self._loop.go_to(contents.state, contents.history)
        self._recorder.go_to(contents.paths, self._loop.state.model, self._loop.epoch)
        return True

    def write_if_due(self, *, last: bool = False) -> None:
        """Write if it is time or training is over; a disk that refuses costs the checkpoint and not the fit."""
        if self._checkpoint is None or not (last or self._checkpoint.due):
            return
        try:
            self._checkpoint.write(self._contents(), self._task, self._settings)
            self._refused = False
        except StorageError as error:
            if not self._refused:
                message = f"There is no new checkpoint; training goes on and will try again. {error}"
                warnings.warn(message, RuntimeWarning, stacklevel=2)
            self._refused = True

    def _contents(self) -> CheckpointContents:
        return CheckpointContents(self._loop.state, self._loop.history.as_dict(), self._recorder.paths)
