"""The paper's Monte Carlo bands of a fit whose own are Laplace's."""

from __future__ import annotations

import numpy as np

from stradiff import StrADiff
from stradiff.model import numerics
from stradiff.posterior.monte_carlo import moments
from stradiff.posterior.separation import moment_key

N_DRAWS = 100


def monte_carlo_bands(model: StrADiff) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation ``(T, n)`` of draws through the reverse diffusion, as with ``MonteCarlo()``."""
    separation = model._separation
    with numerics():
        mean, deviation = (
            np.asarray(rows).T for rows in moments(separation.model, moment_key(separation.seed), N_DRAWS)
        )
    return separation.readout.show(mean), separation.readout.spread(deviation)
