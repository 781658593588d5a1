"""One recording, several methods: what each explains, how related its sources are, how right."""

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

ORACLE = "best linear unmixing"  # it knows the truth
LAGS = 50  # samples: SOBI's own default, and beyond the memory of most sources


@dataclass(frozen=True)
class Contender:
    """What one method made of a recording.

    Attributes
    ----------
    name
        The method.
    sources
        ``(T, n)``
    reconstruction
        ``(T, m)`` in the recording's units; None for what is no model of the recording.
    seconds
        Time it took; None where it was not taken.
    """

    name: str
    sources: np.ndarray
    reconstruction: np.ndarray | None = None
    seconds: float | None = None


def baselines(recording: Recording, n_components: int, seed: int = 0) -> Iterator[Contender]:
    """Fit SOBI, FastICA and PCA to the recording; one that fails on it is left out with a warning.

    They know no gaps: these are bridged by straight lines first.
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
        yield Contender(name, S, method.inverse_transform(S), time.perf_counter() - start)


def compare(
    contenders: Iterable[Contender], recording: Recording, truth: np.ndarray | None = None
) -> list[dict[str, Any]]:
    """Judge every contender by the same measures.

    Parameters
    ----------
    contenders
        What the methods made of the recording.
    recording
        The recording.
    truth
        True sources ``(T, n)``, where known. Adds matched correlations, and the best linear unmixing as a
        last row: least squares onto the truth, which no linear method can beat.

    Returns
    -------
    list of dict
        One row a method: "method", "seconds", "explained_variance", "cross_correlation" and, with truth,
        "matched_correlation" (list) and "mean_correlation". What does not apply is None.
    """
    rows = [_row(contender, recording, truth) for contender in contenders]
    if truth is not None:
        oracle = Contender(ORACLE, best_linear_unmixing(recording.filled, truth))
        rows.append(_row(oracle, recording, truth))
    return rows


def cross_correlation(S: np.ndarray, lags: int = LAGS) -> float:
    """Largest |correlation| of two different sources at any lag up to ``lags`` samples: 0 for unrelated.

    Parameters
    ----------
    S
        Sources ``(T, n)``.
    lags
        Cut to half the record where that is shorter.

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
    spread = S.std(axis=0)
    S = (S - S.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    at_lag = [S[lag:].T @ S[: n_samples - lag] / (n_samples - lag) for lag in range(min(lags, n_samples // 2) + 1)]
    return min(1.0, float(np.abs(np.array(at_lag))[:, ~np.eye(n, dtype=bool)].max()))


def _row(contender: Contender, recording: Recording, truth: np.ndarray | None) -> dict[str, Any]:
    fitted, mask = contender.reconstruction, recording.mask
    row: dict[str, Any] = {
        "method": contender.name,
        "seconds": contender.seconds,
        "explained_variance": None
        if fitted is None
        else float(explained_variance(recording.values, fitted, mask=mask)),
        "cross_correlation": cross_correlation(contender.sources),
    }
    if truth is not None:
        correlation = matched_correlation(contender.sources, truth)
        row |= {"matched_correlation": correlation.tolist(), "mean_correlation": float(correlation.mean())}
    return row
