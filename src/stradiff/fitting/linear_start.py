"""Sources of a linear method for training to start from, also where the mixing is bent.

A linear method asked for n sources keeps the n strongest principal components first. A bent map spreads its sources
over more of them, and puts into these what the sources make of each other: a weak source is then thrown away for a bent
image of a strong one. So of more channels than sources, more components are separated as well, and from what comes out
those n are taken of which the rest is a function: the least-squares polynomial of them that comes nearest to the
recording. How many components serve best differs from recording to recording: ``stradiff.fitting.race`` tries.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from sklearn.preprocessing import PolynomialFeatures

from stradiff.baselines import SOBI, FastICA, Picard
from stradiff.baselines.base import LinearSeparator
from stradiff.observations.rank import correlation_spectrum

METHODS: dict[str, Callable[[int], LinearSeparator]] = {
    "sobi": SOBI,
    "fastica": lambda n_sources: FastICA(n_sources, random_state=0),  # any first rotation, but always the same
    "picard": lambda n_sources: Picard(n_sources, random_state=0),
}
AT_MOST = 4  # candidates, where there could be more
DEGREE = 3  # of the polynomial, while it has fewer terms than a quarter of the samples
VISITED = 2000  # samples that the polynomial is fitted to


def linear_sources(observed: np.ndarray, method: str, n_sources: int) -> np.ndarray:
    """The method's own n sources ``(T, n)`` of normalised observations ``(T, m)``."""
    return _separated(observed, method, n_sources)


def candidates(observed: np.ndarray, method: str, n_sources: int) -> list[np.ndarray]:
    """Sources ``(T, n)`` to start a bent map from: the n that explain most among those of n to 2 n components."""
    most = min(2 * n_sources, max(n_sources, correlation_spectrum(observed).rank))
    found = [_separated(observed, method, k) for k in numbers_of_components(n_sources, most)]
    return [sources[:, explaining(sources, observed, n_sources)] for sources in found]


def numbers_of_components(least: int, most: int) -> list[int]:
    """From least to most, ``AT_MOST`` of them, evenly spaced."""
    return np.unique(np.linspace(least, most, AT_MOST).round().astype(int)).tolist()


def _separated(observed: np.ndarray, method: str, n_components: int) -> np.ndarray:
    # An array again: a global set_output of scikit-learn's would make it a frame.
    return np.asarray(METHODS[method](n_components).fit_transform(np.asarray(observed, np.float64)))


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
