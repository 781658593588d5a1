"""How alike the sources are that training finds from different starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stradiff.assess.alignment import match_sources
from stradiff.posterior import Readout
from stradiff.train import TrainingResult


def stability_index(sources: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over other fits of the |correlation| of each source with the one that stands for it there.

    After Himberg, Hyvarinen & Esposito (2004), who cluster estimates of many runs; here every run has one estimate for
    each source and matching replaces clustering. It needs no truth, and a stable source need not be a right one.

    Parameters
    ----------
    sources : array (T, n)
        Of the fit that was chosen.
    others : sequence of arrays (T, n)
        Of the fits that were not; at least one.

    Returns
    -------
    array (n,)
        From 0 to 1.

    Examples
    --------
    >>> sources = np.random.default_rng(0).standard_normal((100, 2))
    >>> stability_index(sources, [-sources[:, ::-1], 2 * sources])
    array([1., 1.])
    """
    varying = np.where(sources.std(axis=0) > 0, sources, np.arange(len(sources))[:, None])  # a flat one matches nothing
    agreement = np.mean([match_sources(other, varying).correlation for other in others], axis=0)
    return np.where(sources.std(axis=0) > 0, agreement, 0.0)


def stability_of(fit: TrainingResult, readout: Readout) -> dict[str, Any]:
    """``stability`` of the sources in the order shown, and seed and ``objective`` of all fits; empty after one fit."""
    if len(fit.restarts) < 2:
        return {}
    chosen, *others = fit.restarts
    stability = stability_index(chosen.sources, [other.sources for other in others])[readout.order]
    told = [{"seed": one.seed, "objective": one.objective} for one in fit.restarts]
    return {"stability": stability.tolist(), "restarts": told}
