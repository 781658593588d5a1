"""Sources of a linear method for training to start from, also where the mixing is bent.

A linear method asked for n sources keeps the n strongest principal components first. A bent map spreads its sources
over more of them, and puts into these what the sources make of each other: a weak source is then thrown away for a bent
image of a strong one. So where n components leave much of the recording unexplained, more are kept and separated, and
from what comes out those n are taken of which the rest is a function: the least-squares polynomial of them that comes
nearest to the recording (benchmarks/starts.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from sklearn.preprocessing import PolynomialFeatures

from stradiff.baselines import SOBI, FastICA, Picard
from stradiff.baselines.base import LinearSeparator

METHODS: dict[str, Callable[[int], LinearSeparator]] = {
    "sobi": SOBI,
    "fastica": lambda n_sources: FastICA(n_sources, random_state=0),  # any first rotation, but always the same
    "picard": lambda n_sources: Picard(n_sources, random_state=0),
}
EXPLAINED = 0.98  # of the variance: what the components that are separated hold at least, if twice n of them do
DEGREE = 3  # of the polynomial, while it has fewer terms than a quarter of the samples
VISITED = 2000  # samples that the polynomial is fitted to


def linear_sources(observed: np.ndarray, method: str, n_sources: int, *, bent: bool) -> np.ndarray:
    """Sources ``(T, n)`` of normalised observations ``(T, m)``; ``bent`` says that the map is not linear."""
    observed = np.asarray(observed, np.float64)
    n_components = components(observed, n_sources) if bent else n_sources
    # An array again: a global set_output of scikit-learn's would make it a frame.
    found = np.asarray(METHODS[method](n_components).fit_transform(observed))
    return found if n_components == n_sources else found[:, explaining(found, observed, n_sources)]


def components(observed: np.ndarray, n_sources: int) -> int:
    """Number of principal components that hold ``EXPLAINED`` of the variance, from n to 2 n."""
    variance = np.linalg.eigvalsh(np.cov(observed, rowvar=False).reshape(observed.shape[1], -1))[::-1]
    enough = int(np.searchsorted(np.cumsum(variance), EXPLAINED * variance.sum())) + 1
    return int(np.clip(enough, n_sources, min(2 * n_sources, observed.shape[1])))


def explaining(found: np.ndarray, observed: np.ndarray, n_sources: int) -> list[int]:
    """The n columns of ``found (T, k)`` whose polynomial is nearest to the recording, taken one after the other."""
    every = -(-len(found) // VISITED)
    unit = (found - found.mean(axis=0)) / found.std(axis=0)
    unit, centred = unit[::every], (observed - observed.mean(axis=0))[::every]
    taken: list[int] = []
    for _ in range(n_sources):
        rest = [k for k in range(found.shape[1]) if k not in taken]
        taken.append(max(rest, key=lambda k: _explained(unit[:, [*taken, k]], centred)))
    return taken


def _explained(sources: np.ndarray, observed: np.ndarray) -> float:
    """Squares of the recording that a polynomial of the sources, and their absolute values, explain."""
    degree = DEGREE
    while degree > 1 and math.comb(sources.shape[1] + degree, degree) > len(sources) / 4:
        degree -= 1
    terms = np.hstack([PolynomialFeatures(degree).fit_transform(sources), np.abs(sources)])
    basis, _ = np.linalg.qr(terms)
    return float(np.sum((basis.T @ observed) ** 2))
