"""Whether a bent map was needed."""

from __future__ import annotations

import numpy as np

from stradiff.assess.diagnostics.collapsed import fitted_share
from stradiff.assess.diagnostics.finding import Finding, percent
from stradiff.data.missing import interpolated, observed_mask
from stradiff.data.noise_floor import noise_floor

TOLERATED = 2.0  # times nu_y: a network warps sources a little even where nothing bends, and its bent part undoes that


def linear_suffices(values: np.ndarray, sources: np.ndarray, fitted: np.ndarray, nu_y: float) -> list[Finding]:
    """Of a nonlinear map: what it explains beyond the best linear map of the same sources, against noise.

    ``values (T, m)``, NaN where missing; ``sources (T, n)``; ``fitted (T, m)``: the recording by the bent map. Noise is
    that which is assumed, twice, and the white noise that the channels leave room for: a network can make both look
    like bending.
    """
    bent = fitted_share(values, fitted) - fitted_share(values, _best_line(values, sources))
    noise = TOLERATED * nu_y + noise_floor(interpolated(values, observed_mask(values)))
    if bent >= noise:
        return []
    sentence = (
        f"The bent part of the map explains {percent(max(bent, 0.0))} of the recording's variance, less than the "
        f"{percent(noise)} that noise can account for: there is little evidence of bending; compare mixing='linear', "
        "which has less freedom to go wrong."
    )
    return [Finding("linear-suffices", "note", (), sentence)]


def _best_line(values: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Least squares of every channel on the sources and a constant, over the samples that are there."""
    design = np.column_stack([sources, np.ones(len(sources))])
    fitted = np.empty(values.shape)
    for channel, column in enumerate(values.T):
        there = ~np.isnan(column)
        fitted[:, channel] = design @ np.linalg.lstsq(design[there], column[there], rcond=None)[0]
    return fitted
