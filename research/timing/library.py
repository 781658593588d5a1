"""The library as a user calls it, preset "paper": epochs between the first look of a callback and the last."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

from sklearn.exceptions import ConvergenceWarning

from stradiff import StrADiff
from stradiff.config import MonteCarlo, Training
from stradiff.errors import SeparationWarning
from stradiff.train.step import CHUNK
from timing.problem import MAPS, N_SOURCES, SEED, drawn


def prepare(problem: str) -> Callable[[int], float]:
    """Seconds that so many epochs take, the first chunk of a fit, and with it all compiling, left out."""
    values = drawn(problem).recording.values

    def seconds_of(n_epochs: int) -> float:
        looks: list[float] = []
        look = lambda _: looks.append(time.perf_counter())  # noqa: E731
        model = StrADiff(
            N_SOURCES,
            preset="paper",
            mixing=MAPS[problem],
            training=Training(max_epochs=CHUNK + n_epochs, callbacks=(look,)),
            uncertainty=MonteCarlo(n_draws=2),
            random_state=SEED,
            verbose=False,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.simplefilter("ignore", SeparationWarning)
            model.fit(values)
        return looks[-1] - looks[0]

    return seconds_of
