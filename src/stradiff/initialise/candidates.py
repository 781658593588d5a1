"""Sources of a linear method for training to start from, also where the mixing is bent.

A linear method asked for n sources keeps the n strongest principal components first. A bent map spreads its sources
over more of them, and puts into these what the sources make of each other: a weak source is then thrown away for a bent
image of a strong one. So of more channels than sources, more components are separated as well, and from what comes out
those n are taken of which the rest is a function: the least-squares polynomial of them that comes nearest to the
recording. How many components serve best differs from recording to recording, and now and then the second choice is
better than the first: ``stradiff.train.trials`` tries.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
from sklearn.preprocessing import PolynomialFeatures

from stradiff.data.rank import correlation_spectrum
from stradiff.linear import SOBI, FastICA, Picard
from stradiff.linear.base import LinearSeparator

METHODS: dict[str, Callable[[int], LinearSeparator]] = {
    "sobi": SOBI,
    "fastica": lambda n_sources: FastICA(n_sources, random_state=0),  # any first rotation, but always the same
    "picard": lambda n_sources: Picard(n_sources, random_state=0),
}
NUMBERS = 4  # of components that are tried, at most
CHOICES = 4  # of n from the most components that are tried; from fewer, the best one
SUBSETS = 300  # compared one with the other; where there are more, sources are taken one after the other
DEGREE = 3  # of the polynomial, while it has fewer terms than a quarter of the samples
VISITED = 2000  # samples that the polynomial is fitted to


def linear_sources(observed: np.ndarray, method: str, n_sources: int) -> np.ndarray:
    """The method's own sources ``(T, n)`` of normalised observations ``(T, m)``."""
    # An array again: a global set_output of scikit-learn's would make it a frame.
    return np.asarray(METHODS[method](n_sources).fit_transform(np.asarray(observed, np.float64)))


def candidates(observed: np.ndarray, method: str, n_sources: int) -> list[np.ndarray]:
    """Sources ``(T, n)`` to start a bent map from: those that explain most, of n to 2 n components."""
    most = min(2 * n_sources, max(n_sources, correlation_spectrum(observed).rank))
    starts: list[np.ndarray] = []
    for k in numbers_of_components(n_sources, most):
        found = linear_sources(observed, method, k)
        chosen = explaining(found, observed, n_sources, CHOICES if k == most else 1)
        starts += [found[:, columns] for columns in chosen]
    return starts


def numbers_of_components(least: int, most: int) -> list[int]:
    """From least to most, ``NUMBERS`` of them, evenly spaced."""
    return np.unique(np.linspace(least, most, NUMBERS).round().astype(int)).tolist()


def explaining(found: np.ndarray, observed: np.ndarray, n_sources: int, n_choices: int = 1) -> list[list[int]]:
    """The sets of n columns of ``found (T, k)`` whose polynomials are nearest to the recording, the nearest first."""
    every = -(-len(found) // VISITED)
    unit = (found - found.mean(axis=0)) / found.std(axis=0)
    unit, centred = unit[::every], (observed - observed.mean(axis=0))[::every]

    def explained(columns: Sequence[int]) -> float:
        return _explained(unit[:, list(columns)], centred)

    n_found = found.shape[1]
    if math.comb(n_found, n_sources) <= SUBSETS:
        ranked = sorted(combinations(range(n_found), n_sources), key=explained, reverse=True)
        return [list(columns) for columns in ranked[:n_choices]]
    taken: list[int] = []
    for _ in range(n_sources):
        rest = [k for k in range(n_found) if k not in taken]
        taken.append(max(rest, key=lambda k: explained([*taken, k])))
    return [taken]


def _explained(sources: np.ndarray, observed: np.ndarray) -> float:
    """Squares of the recording that a polynomial of the sources, and their absolute values, explain."""
    degree = DEGREE
    while degree > 1 and math.comb(sources.shape[1] + degree, degree) > len(sources) / 4:
        degree -= 1
    terms = np.hstack([PolynomialFeatures(degree).fit_transform(sources), np.abs(sources)])
    basis, _ = np.linalg.qr(terms)
    return float(np.sum((basis.T @ observed) ** 2))
