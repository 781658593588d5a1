"""A slow and a fast source in four channels, as initialisation and restarts are shown them."""

from __future__ import annotations

import numpy as np

from stradiff import simulate
from stradiff.data.simulate import Simulation
from stradiff.data.sources import gp_sources


def two_sources(mixing: str) -> Simulation:
    """Two hundred samples of both, by a mixing of ``simulate``."""
    return simulate(mixing, sources=gp_sources(200, (20.0, 4.0), seed=100), n_channels=4, seed=100)


def standardised(values: np.ndarray) -> np.ndarray:
    """Channels as a fit sees them."""
    return ((values - values.mean(axis=0)) / values.std(axis=0)).astype(np.float32)
