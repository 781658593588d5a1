"""Sources of a linear method that a nonlinear mixing may start from.

A linear method for n sources keeps the n strongest principal components first. A nonlinear mixing spreads its sources
over more of them, and these hold what its nonlinearity makes of the sources: a weak source is then lost to an image of
a strong one. So of more channels than sources more components are separated as well, and of the result those n are
taken of which the rest is a function: those whose least-squares polynomial comes nearest to the recording. The best
number of components differs from recording to recording, and sometimes the second choice of n beats the first:
successive halving compares them (``stradiff.train.restarts``).
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
NUMBERS = 4  # of components, at most
CHOICES = 4  # of n sources from the largest number of components; from fewer, the best one
SUBSETS = 300  # compared with one another; where there are more, sources are taken one after the other
DEGREE = 3  # of the polynomial, while it has fewer terms than a quarter of the samples
POLYNOMIAL_SAMPLES = 2000  # that the polynomial is fitted to


def linear_sources(observed: np.ndarray, method: str, n_sources: int) -> np.ndarray:
    """The method's own sources ``(T, n)`` of normalised observations ``(T, m)``."""
    # An array again: a global set_output of scikit-learn's would make it a frame.
    return np.asarray(METHODS[method](n_sources).fit_transform(np.asarray(observed, np.float64)))


def candidates(observed: np.ndarray, method: str, n_sources: int) -> list[np.ndarray]:
    """Sources ``(T, n)`` to start a nonlinear mixing from: those that explain most, of n to 2 n components."""
    most = min(2 * n_sources, max(n_sources, correlation_spectrum(observed).rank))
    starts: list[np.ndarray] = []
    for k in numbers_of_components(n_sources, most):
        components = linear_sources(observed, method, k)
        subsets = explaining(components, observed, n_sources, CHOICES if k == most else 1)
        starts += [components[:, columns] for columns in subsets]
    return starts


def numbers_of_components(least: int, most: int) -> list[int]:
    """From least to most, ``NUMBERS`` of them, evenly spaced."""
    return np.unique(np.linspace(least, most, NUMBERS).round().astype(int)).tolist()


def explaining(components: np.ndarray, observed: np.ndarray, n_sources: int, n_choices: int = 1) -> list[list[int]]:
    """The sets of n columns of ``components (T, k)`` whose polynomials come nearest to the recording, best first."""
    every = -(-len(components) // POLYNOMIAL_SAMPLES)
    unit = (components - components.mean(axis=0)) / components.std(axis=0)
    unit, centred = unit[::every], (observed - observed.mean(axis=0))[::every]

    def explained(columns: Sequence[int]) -> float:
        return _explained(unit[:, list(columns)], centred)

    k = components.shape[1]
    if math.comb(k, n_sources) <= SUBSETS:
        ranked = sorted(combinations(range(k), n_sources), key=explained, reverse=True)
        return [list(columns) for columns in ranked[:n_choices]]
    taken: list[int] = []
    for _ in range(n_sources):
        rest = [column for column in range(k) if column not in taken]
        taken.append(max(rest, key=lambda column: explained([*taken, column])))
    return [taken]


def _explained(sources: np.ndarray, observed: np.ndarray) -> float:
    """Squares of the recording that a polynomial of the sources, and their absolute values, explain."""
    degree = DEGREE
    while degree > 1 and math.comb(sources.shape[1] + degree, degree) > len(sources) / 4:
        degree -= 1
    terms = np.hstack([PolynomialFeatures(degree).fit_transform(sources), np.abs(sources)])
    basis, _ = np.linalg.qr(terms)
    return float(np.sum((basis.T @ observed) ** 2))
