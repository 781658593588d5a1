"""Sources that are the same thing twice: in time, or in the map."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from stradiff.assess.diagnostics.finding import Finding, sentence_about

LARGEST_CORRELATION = 0.9  # independent sources reach it by chance only when the record holds a handful of excursions
LARGEST_COSINE = 0.999  # between mixing columns of normalised channels: their difference is below half a per cent


def duplicated(sources: np.ndarray, columns: np.ndarray) -> list[Finding]:
    """``sources (T, n)``; ``columns (m, n)``: what each adds to the normalised channels, at first order."""
    found = []
    for j, k in combinations(range(sources.shape[1]), 2):
        correlation = _cosine(sources[:, j] - sources[:, j].mean(), sources[:, k] - sources[:, k].mean())
        cosine = _cosine(columns[:, j], columns[:, k])
        if correlation > LARGEST_CORRELATION:
            what = f"correlate by {correlation:.2f}: they are one source twice"
        elif cosine > LARGEST_COSINE:
            what = "reach the channels with the same weights, so the channels cannot tell them apart"
        else:
            continue
        sentence = f"{sentence_about([j, k])} {what}; use n_components={sources.shape[1] - 1}, or add channels."
        found.append(Finding("duplicated", "warning", (j, k), sentence))
    return found


def first_order(sources: np.ndarray, normalised: np.ndarray) -> np.ndarray:
    """Columns ``(m, n)`` of the best linear map from ``sources (T, n)`` to what they make ``(T, m)``."""
    centred = sources - sources.mean(axis=0)
    return np.linalg.lstsq(centred, normalised - normalised.mean(axis=0), rcond=None)[0].T


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    """|cos| of the angle; 0 where one of them is nothing."""
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(abs(a @ b)) / length if length else 0.0
