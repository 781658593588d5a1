"""What training starts from, where there is something to choose.

A linear map starts from the likelier one of two methods' sources (``initialise_by_rotation``). For a bent map of more channels
than sources each candidate is trained a little, and the objective chooses.

How many principal components a linear method should separate before n of them are taken (``linear_start``) depends on
how bent, how noisy and how smooth the recording is. A start in the wrong valley shows within a hundred epochs: its
objective then lies hundreds of nats above that of a good one (``research/starts.py``), and training does not mend it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from stradiff.config import Settings
from stradiff.initialise.candidates import METHODS, candidates
from stradiff.initialise.model import initial_model, starting_sources
from stradiff.initialise.rotation import initialise_by_rotation
from stradiff.model.concatenation import Concatenation
from stradiff.train.callbacks import ProgressBar
from stradiff.train.loop import Loop, fit_keys
from stradiff.train.step import CHUNK

JUDGED = 25  # last epochs of a trial, over whose draws of noise its objective is averaged


def ranked_starts(
    observed: np.ndarray,
    times: np.ndarray | None,
    settings: Settings,
    mask: np.ndarray | None = None,
    guess: np.ndarray | None = None,
    *,
    seed: int = 0,
    verbose: bool | str = False,
    layout: Concatenation | None = None,
) -> tuple[list[np.ndarray], Settings]:
    """Sources ``(T, n)`` to start from, bare of padding, the one to take first; none where training starts at random.

    Several only where there was something to try. And the settings, with the names of the priors that the sources of a
    linear map ask for. Parameters are those of ``fit``.
    """
    if settings.init == "random":
        return [], settings
    bare = observed if layout is None else layout.unpad(observed)
    if settings.turns_start(len(observed)) and times is None and layout is None:
        methods = ("sobi", "fastica") if settings.init == "sobi" else (settings.init,)  # they see different things
        answers = [starting_sources(bare, dataclasses.replace(settings, init=name), guess) for name in methods]
        start, names = initialise_by_rotation(answers, settings)
        return [start], dataclasses.replace(settings, prior=names)
    if settings.init not in METHODS or settings.mixing_spec.is_linear or observed.shape[1] == settings.n_sources:
        return [starting_sources(bare, settings, guess)], settings
    starts = candidates(bare, settings.init, settings.n_sources)
    if len(starts) == 1:
        return starts, settings
    objectives = trials(starts, observed, times, settings, mask=mask, seed=seed, verbose=verbose, layout=layout)
    return [starts[number] for number in np.argsort(objectives, kind="stable")], settings


def trials(
    starts: Sequence[np.ndarray],
    observed: np.ndarray,
    times: np.ndarray | None,
    settings: Settings,
    *,
    mask: np.ndarray | None = None,
    seed: int = 0,
    verbose: bool | str = False,
    layout: Concatenation | None = None,
) -> list[float]:
    """The objective a hundred epochs from each start, in nats; infinite where training diverges.

    A trial is the beginning of the fit that starts there, of the same random numbers.
    """
    model_key, train_key, _ = fit_keys(seed)
    objectives: list[float] = []
    with ProgressBar(verbose, CHUNK * len(starts), "trying where to start") as bar:
        for start in starts:
            model = initial_model(observed, times, settings, model_key, start, layout)
            loop = Loop(observed, times, settings, model, train_key, mask)
            try:
                loop.advance(CHUNK)
            except FloatingPointError:
                objectives.append(np.inf)
                continue
            report = loop.report()
            objectives.append(float(report.history["total"][-JUDGED:].mean()))
            bar(dataclasses.replace(report, epoch=CHUNK * len(objectives)))
    return objectives
