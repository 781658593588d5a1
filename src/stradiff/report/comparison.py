"""Comparison of methods on one recording: explained variance, dependence of the sources, correlation with the truth."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from stradiff.assess.metrics import best_linear_unmixing, explained_variance, matched_correlation
from stradiff.data.recording import Recording
from stradiff.errors import StrADiffError
from stradiff.linear import PCA, SOBI, FastICA

ORACLE = "best linear unmixing"  # needs the truth
LAGS = 50  # samples: the default of SOBI, longer than the correlations of most sources


@dataclass(frozen=True)
class MethodResult:
    """Result of one method.

    ``sources (T, n)``; ``reconstruction (T, m)`` in the recording's units, where the method has one; ``seconds`` of
    computing time, where known.
    """

    name: str
    sources: np.ndarray
    reconstruction: np.ndarray | None = None
    seconds: float | None = None


def baselines(recording: Recording, n_components: int, seed: int = 0) -> Iterator[MethodResult]:
    """Fit SOBI, FastICA and PCA to the recording; one that fails is left out with a warning.

    Gaps are interpolated linearly first.
    """
    Y = np.asarray(recording.filled, dtype=float)
    methods: dict[str, Any] = {
        "SOBI": SOBI(n_components),
        "FastICA": FastICA(n_components, random_state=seed),
        "PCA": PCA(n_components),
    }
    for name, method in methods.items():
        start = time.perf_counter()
        try:
            S = method.fit_transform(Y)
        except StrADiffError as error:
            warnings.warn(f"{name} is left out of the comparison: {error}", stacklevel=2)
            continue
        yield MethodResult(name, S, method.inverse_transform(S), time.perf_counter() - start)


def compare(
    results: Iterable[MethodResult], recording: Recording, truth: np.ndarray | None = None
) -> list[dict[str, Any]]:
    """Evaluate every result by the same metrics, one row for each method.

    A row holds "method", "seconds", "explained_variance" and "cross_correlation", None where they do not apply. True
    sources ``(T, n)`` add "matched_correlation" (a list) and "mean_correlation", and a last row for the best linear
    unmixing: least squares onto the truth, the upper bound of linear methods.
    """
    oracle = [] if truth is None else [MethodResult(ORACLE, best_linear_unmixing(recording.filled, truth))]
    return [_row(result, recording, truth) for result in (*results, *oracle)]


def cross_correlation(S: np.ndarray, lags: int = LAGS) -> float:
    """Largest |correlation| of two different sources at any lag up to ``lags`` samples: 0 for unrelated sources.

    Sources ``(T, n)``; ``lags`` is at most half the record.

    Examples
    --------
    >>> S = np.random.default_rng(0).standard_normal((1000, 1))
    >>> round(cross_correlation(np.hstack([S, np.roll(S, 3)])), 2)
    1.0
    """
    S = np.asarray(S, dtype=float)
    n_samples, n = S.shape
    if n < 2:
        return 0.0
    deviation = S.std(axis=0)
    S = (S - S.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    lag_range = range(min(lags, n_samples // 2) + 1)
    correlations = np.array([S[lag:].T @ S[: n_samples - lag] / (n_samples - lag) for lag in lag_range])
    return min(1.0, float(np.abs(correlations[:, ~np.eye(n, dtype=bool)]).max()))


def _row(result: MethodResult, recording: Recording, truth: np.ndarray | None) -> dict[str, Any]:
    fitted, explained = result.reconstruction, None
    if fitted is not None:
        explained = float(explained_variance(recording.values, fitted, mask=recording.mask))
    row: dict[str, Any] = {
        "method": result.name,
        "seconds": result.seconds,
        "explained_variance": explained,
        "cross_correlation": cross_correlation(result.sources),
    }
    if truth is not None:
        correlation = matched_correlation(result.sources, truth)
        row |= {"matched_correlation": correlation.tolist(), "mean_correlation": float(correlation.mean())}
    return row
