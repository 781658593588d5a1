"""The library as a user calls it, preset "paper": epochs between the first look of a callback and the last."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

from sklearn.exceptions import ConvergenceWarning

from stradiff import StrADiff
from stradiff.errors import SeparationWarning
from stradiff.train.step import CHUNK
from timing.problem import MAPS, N_SOURCES, SEED, drawn


def prepare(problem: str) -> Callable[[int], float]:
    """Seconds that so many epochs take, the first chunk of a fit, and with it all compiling, left out."""
    values = drawn(problem).recording.values

    def seconds_of(n_epochs: int) -> float:
        looks: list[float] = []
        look = lambda _: looks.append(time.perf_counter())  # noqa: E731
        settings = {"mixing": MAPS[problem], "max_epochs": CHUNK + n_epochs, "n_draws": 2, "random_state": SEED}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.simplefilter("ignore", SeparationWarning)
            StrADiff(N_SOURCES, preset="paper", callbacks=[look], verbose=False, **settings).fit(values)
        return looks[-1] - looks[0]

    return seconds_of
