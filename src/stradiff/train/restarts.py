"""Training from several starts by successive halving (Jamieson & Talwalkar 2016); the objective decides, never truth.

There are two rungs, each of as many epochs for all, after which the start of least objective is preferred:

- Candidates of a nonlinear mixing (``stradiff.initialise.candidates``) are trained for a hundred epochs with the same
  random numbers, and ranked. A start in the wrong valley shows by then: its objective is hundreds of nats above that
  of a good one (research/starts.py), and training does not leave it.
- Restarts, each with random numbers of its own, are trained for a thousand, and the best one alone goes on. The
  objective finds the start that ends nearest to the truth, or one nearly as good; at the ends of the runs it often does
  not, since a run that began further off trains on for longer, and follows the recording more closely without coming
  nearer to its sources (research/ranking.py). ``stability`` shows what differs between them.

The starts of a rung share one compilation and run side by side, one on each core: an epoch keeps little more than one
core busy. (Mapped into one program they cost more, see research/batch.py.) Each has the bits it would have alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from stradiff.initialise import Initialisation
from stradiff.initialise.seeds import restart_seed
from stradiff.interrupts import DeferredInterrupts
from stradiff.train.callbacks import Callback, ProgressBar
from stradiff.train.checkpoint import CheckpointFile
from stradiff.train.loop import present_sources
from stradiff.train.step import CHUNK
from stradiff.train.threads import ThreadPool
from stradiff.train.training import Restart, TrainingResult, TrainingRun

Result = TypeVar("Result")


@dataclass(frozen=True)
class Rung:
    """Epochs after which starts are compared."""

    epochs: int
    averaged: int
    """The last epochs, over which the objective is averaged: that of one varies with its draw of noise."""

    def objective(self, training: TrainingRun) -> float:
        """In nats, also of a run that its checkpoint had taken further; infinite where it diverged or never began."""
        total = training.objective[: self.epochs][-self.averaged :]
        return float(total.mean()) if len(total) else float("inf")


CANDIDATE_RUNG, RESTART_RUNG = Rung(CHUNK, 25), Rung(1000, 100)


def train(
    initialisation: Initialisation,
    *,
    record: tuple[int, ...] | str = "auto",
    callbacks: Sequence[Callback] = (),
    verbose: bool | str = False,
    checkpoint: CheckpointFile | None = None,
    at_once: int | None = None,
) -> TrainingResult:
    """Algorithm 1 from the best of the starts. Inside ``numerics()``.

    Parameters
    ----------
    initialisation : the recording, the settings and the starts.
    record : epochs whose reverse paths are kept (``stradiff.train.path_recorder``).
    callbacks : called one at a time, before the end of a rung in the threads of its runs.
    checkpoint : file in which training is kept; with one of the same fit, training goes on from there.
    at_once : bounds the number of runs side by side; never more than there are cores to use.

    Stopped by hand, training ends with the best of the runs so far.
    """
    settings = initialisation.settings
    if len(initialisation.candidates) > 1:
        objectives = candidate_objectives(initialisation, verbose=verbose, at_once=at_once)
        initialisation = initialisation.ranked(np.argsort(objectives, kind="stable").tolist())

    def begin(number: int) -> TrainingRun:
        seed, file = restart_seed(initialisation.seed, number), checkpoint and checkpoint.of_restart(number)
        return TrainingRun(initialisation, initialisation.start(number), seed, record=record, checkpoint=file)

    rung = replace(RESTART_RUNG, epochs=min(RESTART_RUNG.epochs, settings.training.max_epochs))
    of_others = (settings.n_restarts - 1) * rung.epochs
    with ProgressBar(verbose, of_others + settings.training.max_epochs) as bar:
        if settings.n_restarts == 1:
            runs, stopped = {0: begin(0)}, False
        else:
            runs, stopped = run_rung(rung, settings.n_restarts, begin, lambda run: run, bar, callbacks, at_once=at_once)
        first, *others = sorted(runs, key=lambda number: (rung.objective(runs[number]), number))
        best = runs[first]
        if not stopped:
            best.go_on(settings.training.max_epochs, [bar.after(of_others), *callbacks])
        if stopped or best.interrupted:
            bar.stopped(sum(run.epoch for run in runs.values()))
    restarts: tuple[Restart, ...] = ()
    if settings.n_restarts > 1:
        restarts = tuple(_restart(runs[number], rung) for number in (first, *sorted(others)))
    return replace(best.result(), interrupted=stopped or best.interrupted, restarts=restarts)


def candidate_objectives(
    initialisation: Initialisation, *, verbose: bool | str = False, at_once: int | None = None
) -> list[float]:
    """The objective of every candidate after the first rung, in nats.

    Each is trained as a fit that starts there is: with the same random numbers, to the same bits.
    """
    n_starts = len(initialisation.candidates)

    def begin(number: int) -> TrainingRun:
        return TrainingRun(initialisation, initialisation.candidates[number], initialisation.seed, record=())

    with ProgressBar(verbose, CANDIDATE_RUNG.epochs * n_starts, "comparing starts") as bar:
        rung = CANDIDATE_RUNG
        objectives, stopped = run_rung(rung, n_starts, begin, rung.objective, bar, (), at_once=at_once)
    if stopped:
        raise KeyboardInterrupt  # there is nothing to keep
    return [objectives[number] for number in range(n_starts)]


def run_rung(
    rung: Rung,
    n_starts: int,
    begin: Callable[[int], TrainingRun],
    result_of: Callable[[TrainingRun], Result],
    bar: ProgressBar,
    callbacks: Sequence[Callback],
    *,
    at_once: int | None = None,
) -> tuple[dict[int, Result], bool]:
    """``result_of`` every ``begin(number)``, from 0, trained for the epochs of the rung, and whether that was stopped.

    Stopped, of those that had begun.
    """

    def run(number: int, watchers: Sequence[Callback]) -> Result:
        training = begin(number)
        training.go_on(rung.epochs, watchers)
        if training.interrupted:
            pool.stop()
        return result_of(training)

    with DeferredInterrupts():
        pool = ThreadPool(n_starts, at_once, bar, callbacks)
        return pool.run(run), pool.stopped


def _restart(run: TrainingRun, rung: Rung) -> Restart:
    return Restart(run.seed, rung.objective(run), present_sources(run.model).astype(np.float64))
