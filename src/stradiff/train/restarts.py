"""Training from several starts; the objective chooses among them, never the truth.

The first start is the one a single fit has. The others are what was tried beside it (``stradiff.train.trials``), the
next best first, and where there is nothing more of that, its sources turned towards each other by random angles. All
draw every network anew. They share one compilation, and run beside each other, one on each core: an epoch keeps little
more than one core busy. (Mapped into one program they cost more, see research/batch.py.) Each has the bits it would
have alone.

After as many epochs of each the objective gives its verdict, and the best one alone goes on. There it finds the start
that ends nearest to the truth, or one nearly as good; at the ends of the fits it often does not, since a fit that began
further off trains on for longer, and follows the recording more closely without coming nearer to its sources
(research/ranking.py). ``stability`` shows what is not settled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.linalg import expm

from stradiff.config import Settings
from stradiff.interrupts import DeferredInterrupts
from stradiff.model.concatenation import Concatenation
from stradiff.train.callbacks import Callback, ProgressBar, Report
from stradiff.train.checkpoint import Checkpoint
from stradiff.train.loop import present_sources
from stradiff.train.sharding import devices_for
from stradiff.train.threads import ThreadPool, usable_cores
from stradiff.train.training import Fit, Restart, Training, fit
from stradiff.train.trials import ranked_starts

RUNG_EPOCHS = 1000  # epochs of every start before one is chosen
LAST = 100  # of these, over which the objective is averaged: one draw of its noise varies
TURN = 0.3  # radians: a correlation of 0.95 with the warm start, as far as SOBI is off on bent mixtures


def fit_best(
    observed: np.ndarray,
    times: np.ndarray | None,
    settings: Settings,
    *,
    mask: np.ndarray | None = None,
    guess: np.ndarray | None = None,
    seed: int = 0,
    callbacks: Sequence[Callback] = (),
    verbose: bool | str = False,
    checkpoint: Checkpoint | None = None,
    at_once: int | None = None,
    layout: Concatenation | None = None,
    **how: Any,
) -> Fit:
    """The best of ``settings.n_restarts`` fits; parameters are those of ``fit``.

    ``at_once`` bounds how many run beside each other; no more than there are cores to use. Callbacks are called one at
    a time, but before the verdict in the threads of the fits. Its ``restarts`` tell of all fits, the chosen one first.
    Stopped by hand, it chooses among the fits so far.
    """
    how |= {"mask": mask, "guess": guess, "layout": layout}
    if settings.n_restarts == 1:
        how |= {"callbacks": callbacks, "verbose": verbose, "checkpoint": checkpoint}
        return fit(observed, times, settings, seed=seed, **how)
    devices_for(settings.n_devices)  # refused before the warm start, not after it
    starts, settings = ranked_starts(observed, times, settings, mask, guess, seed=seed, verbose=verbose, layout=layout)
    heat = min(RUNG_EPOCHS, settings.max_epochs)
    others = (settings.n_restarts - 1) * heat

    def one(number: int, watchers: Sequence[Callback]) -> Training:
        own, file = restart_seed(seed, number), checkpoint and checkpoint.of_restart(number)
        training = Training(observed, times, settings, start_of(starts, number, own), seed=own, checkpoint=file, **how)
        training.go_on(heat, watchers)
        return training

    with ProgressBar(verbose, others + settings.max_epochs) as bar:

        def after_the_others(report: Report) -> None:
            bar(replace(report, epoch=others + report.epoch))

        with DeferredInterrupts():
            team = ThreadPool(settings.n_restarts, min(at_once or settings.n_restarts, usable_cores()), bar, callbacks)
            trained = team.run(one)
            told = {number: _tell(training, restart_seed(seed, number)) for number, training in trained.items()}
        chosen = min(told, key=lambda number: (told[number].objective, number))
        best = trained[chosen]
        if not team.stopped:
            best.go_on(settings.max_epochs, [after_the_others, *callbacks])
        if team.stopped or best.interrupted:
            bar.stopped(sum(training.epoch for training in trained.values()))
    result = best.result()
    result.interrupted |= team.stopped
    first = replace(told.pop(chosen), sources=_sources(best))
    result.restarts = (first, *told.values())
    return result


def restart_seed(seed: int, number: int) -> int:
    """The seed of a restart; that of the first is the fit's own."""
    return seed if number == 0 else int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1)


def start_of(starts: Sequence[np.ndarray], number: int, seed: int) -> np.ndarray | None:
    """Sources ``(T, n)`` that restart ``number`` begins with; None where training starts at random."""
    if not starts:
        return None
    return starts[number] if number < len(starts) else turned(starts[0], seed)


def turned(guess: np.ndarray, seed: int) -> np.ndarray:
    """Unit-variance sources ``(T, n)``, each turned by about TURN towards a random mixture of the others."""
    rng, n = np.random.default_rng(seed), guess.shape[1]
    angles = TURN * rng.uniform(0.5, 1.5, (n, n)) * rng.choice([-1.0, 1.0], (n, n)) / np.sqrt(max(n - 1, 1))
    lower = np.tril(angles, -1)
    return (guess - guess.mean(axis=0)) / guess.std(axis=0) @ expm(lower - lower.T)


def _tell(training: Training, seed: int) -> Restart:
    """Of a fit at the verdict, also where its checkpoint had gone on from there."""
    total = training.objective[:RUNG_EPOCHS][-LAST:]
    return Restart(seed, float(total.mean()) if len(total) else float("inf"), _sources(training))


def _sources(training: Training) -> np.ndarray:
    return present_sources(training.model).astype(np.float64)
