"""Stability of the sources over restarts of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stradiff.assess.alignment import match_sources
from stradiff.posterior import Readout
from stradiff.train import TrainingResult


def stability_index(sources: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over other fits of the |correlation| of each source with its match there.

    After Himberg, Hyvarinen & Esposito (2004), who cluster estimates of many runs; here every run has one estimate of
    each source, and matching replaces clustering. No truth is needed, and a stable source is not necessarily right.

    Parameters
    ----------
    sources : array (T, n)
        Of the chosen fit.
    others : sequence of arrays (T, n)
        Of the other fits; at least one.

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
    varies = sources.std(axis=0) > 0
    reference = np.where(varies, sources, np.arange(len(sources))[:, None])  # a constant source gets 0 below
    return np.where(varies, np.mean([match_sources(other, reference).correlation for other in others], axis=0), 0.0)


def stability_of(fit: TrainingResult, readout: Readout) -> dict[str, Any]:
    """``stability`` of the sources in the order shown, and ``restarts``: seed and objective of all fits; {} for one."""
    if len(fit.restarts) < 2:
        return {}
    chosen, *others = fit.restarts
    stability = stability_index(chosen.sources, [other.sources for other in others])[readout.order]
    objectives = [one.objective if np.isfinite(one.objective) else None for one in fit.restarts]  # JSON has no infinity
    restarts = [{"seed": one.seed, "objective": value} for one, value in zip(fit.restarts, objectives, strict=True)]
    return {"stability": stability.tolist(), "restarts": restarts}
