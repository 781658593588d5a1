"""Sources that vanished, or that the recording does not need."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stradiff.assess.diagnostics.finding import Finding, percent, sentence_about

LEAST_SHARE = 1e-3  # of the recording's variance: below, a source is lost in the noise that is assumed (one per cent)
LEAST_DEVIATION = 1e-6  # of a source held at deviation one


def collapsed(deviations: np.ndarray, shares: np.ndarray) -> list[Finding]:
    """``deviations (n,)`` of the sources over time, ``shares (n,)`` of variance lost when each is silenced."""
    flat = np.flatnonzero(deviations < LEAST_DEVIATION).tolist()
    idle = np.setdiff1d(np.flatnonzero(shares < LEAST_SHARE), flat).tolist()
    fewer = max(len(deviations) - len(flat) - len(idle), 1)
    advice = f"use n_components={fewer}, or another random_state, and do not read anything into it"
    found = []
    for which, what in (
        (flat, "vanished during training"),
        (idle, f"contributes less than {percent(LEAST_SHARE)} of the recording's variance"),
    ):
        for k in which:
            found.append(Finding("collapsed", "warning", (k,), f"{sentence_about([k])} {what}; {advice}."))
    return found


def silenced_shares(values: np.ndarray, sources: np.ndarray, mix: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Share of the variance of ``values (T, m)`` that is lost when one source is set to its mean: ``(n,)``."""
    n = sources.shape[1]
    whole = fitted_share(values, mix(sources))
    means = sources.mean(axis=0)
    return np.array([whole - fitted_share(values, mix(np.where(np.arange(n) == k, means, sources))) for k in range(n)])


def fitted_share(values: np.ndarray, fitted: np.ndarray) -> float:
    """R^2, averaged over channels; samples that are missing (NaN) do not count."""
    error = np.nansum((values - fitted) ** 2, axis=0)
    return float(np.mean(1.0 - error / np.nansum((values - np.nanmean(values, axis=0)) ** 2, axis=0)))
