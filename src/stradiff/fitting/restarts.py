"""Training from several starts; the objective chooses among the answers, never the truth.

The first start is the one a single fit has. The others are what was tried beside it (``stradiff.fitting.race``), the
next best first, and where there is nothing more of that, its sources turned towards each other by random angles. All
draw every network anew. All fits share one compilation, and run beside each other, one on each core: an epoch keeps
little more than one core busy. (Mapped into one program they cost more, see benchmarks/batch.py.) Each has the bits
it would have alone. Objectives a few nats apart do not rank answers as the truth does
(benchmarks/results/ranking.md): restarts protect from a bad valley, and show by ``stability`` what is not settled.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg import expm

from stradiff.fitting.callbacks import Callback, ProgressBar
from stradiff.fitting.checkpoint import Checkpoint
from stradiff.fitting.fit import Fit, Restart, fit
from stradiff.fitting.loop import present_sources
from stradiff.fitting.race import starts_in_order
from stradiff.fitting.settings import Settings
from stradiff.fitting.team import Team, usable_cores
from stradiff.interrupts import OnlyTheFirst
from stradiff.model.parts import Parts

LAST = 100  # epochs whose mean is the objective at the end: one draw of its noise varies
TURN = 0.3  # radians: a correlation of 0.95 with the warm start, as far as SOBI is off on bent mixtures


def fit_best(
    observed: np.ndarray,
    times: np.ndarray | None,
    settings: Settings,
    *,
    seen: np.ndarray | None = None,
    guess: np.ndarray | None = None,
    seed: int = 0,
    callbacks: Sequence[Callback] = (),
    verbose: bool | str = False,
    checkpoint: Checkpoint | None = None,
    at_once: int | None = None,
    parts: Parts | None = None,
    **how: Any,
) -> Fit:
    """The best of ``settings.n_restarts`` fits; parameters are those of ``fit``.

    ``at_once`` bounds how many run beside each other; no more than there are cores to use. Callbacks are called one at
    a time, but in the threads of the fits. Its ``restarts`` tell of all fits, the chosen one first. Stopped by hand, it
    chooses among the fits so far.
    """
    how |= {"seen": seen, "parts": parts}
    if settings.n_restarts == 1:
        how |= {"callbacks": callbacks, "verbose": verbose, "checkpoint": checkpoint}
        return fit(observed, times, settings, guess=guess, seed=seed, **how)
    starts, settings = starts_in_order(observed, times, settings, seen, guess, seed=seed, verbose=verbose, parts=parts)
    if starts:
        settings = dataclasses.replace(settings, init="given")

    def one(number: int, watchers: Sequence[Callback]) -> Fit:
        own = restart_seed(seed, number)
        start = None if not starts else starts[number] if number < len(starts) else turned(starts[0], own)
        file = checkpoint and checkpoint.of_restart(number)
        return fit(observed, times, settings, guess=start, seed=own, callbacks=watchers, checkpoint=file, **how)

    with OnlyTheFirst(), ProgressBar(verbose, settings.n_restarts * settings.max_epochs) as bar:
        team = Team(settings.n_restarts, min(at_once or settings.n_restarts, usable_cores()), bar, callbacks)
        fits = team.run(one)
        if team.stopped:
            bar.stopped(sum(found.n_epochs for found in fits.values()))
    told = {number: _tell(found, restart_seed(seed, number)) for number, found in fits.items()}
    chosen = min(told, key=lambda number: (told[number].objective, number))
    best = fits[chosen]
    best.interrupted = team.stopped
    best.restarts = (told.pop(chosen), *told.values())
    return best


def restart_seed(seed: int, number: int) -> int:
    """The seed of a restart; that of the first is the fit's own."""
    return seed if number == 0 else int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1)


def turned(guess: np.ndarray, seed: int) -> np.ndarray:
    """Unit-variance sources ``(T, n)``, each turned by about TURN towards a random mixture of the others."""
    rng, n = np.random.default_rng(seed), guess.shape[1]
    angles = TURN * rng.uniform(0.5, 1.5, (n, n)) * rng.choice([-1.0, 1.0], (n, n)) / np.sqrt(max(n - 1, 1))
    lower = np.tril(angles, -1)
    return (guess - guess.mean(axis=0)) / guess.std(axis=0) @ expm(lower - lower.T)


def _tell(found: Fit, seed: int) -> Restart:
    total = found.history["total"][-LAST:]
    objective = float(total.mean()) if len(total) and not found.diverged else float("inf")
    return Restart(seed, objective, present_sources(found.model).astype(np.float64))
