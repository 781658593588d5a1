"""What is timed: the size of the paper (section 3.1), three sources of a thousand samples, in two mixings."""

from __future__ import annotations

import numpy as np
from stradiff.presets import resolve

from stradiff import simulate
from stradiff.config import Configuration
from stradiff.data import Simulation, fit_normaliser

SEED, N_SOURCES = 100, 3
MAPS = {"linear": "linear", "leaky_relu": "mlp"}  # the map that is fitted to each kind of mixing


def drawn(problem: str) -> Simulation:
    """The recording and its truth."""
    return simulate(problem, seed=SEED)


def paper_settings(problem: str, **changes: object) -> Configuration:
    """Preset "paper" with the map that suits the mixing."""
    return resolve("paper", N_SOURCES, {"mixing": MAPS[problem], **changes})


def normalised(problem: str) -> np.ndarray:
    """What preset "paper" trains on: every channel centred and scaled, ``(T, m)``."""
    values = drawn(problem).recording.values
    return fit_normaliser(values, Configuration.normalise).forward(values)
