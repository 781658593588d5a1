"""Linear methods on the problems they can solve, and invariances of their results."""

from __future__ import annotations

import numpy as np
import pytest

from stradiff.assess import amari_distance, matched_correlation
from stradiff.data.mixings import random_linear
from stradiff.data.simulate import simulate
from stradiff.data.sources import ar_sources, artificial_sources
from stradiff.linear import AMUSE, BASELINES, PCA, SOBI, FastICA, Picard

T = 5000


def non_gaussian_sources():
    rng = np.random.default_rng(0)
    columns = (rng.laplace(size=T), rng.uniform(-1, 1, size=T), rng.choice([-1.0, 1.0], size=T))
    return np.column_stack(columns)


PROBLEMS = {
    # name: sources (T, n), and the methods that can separate them
    "spectra": (ar_sources(T, [0.02, 0.1, 0.3], 0.9, seed=1), ("sobi", "amuse")),
    "values": (non_gaussian_sources(), ("fastica", "picard")),
    "both": (artificial_sources(T), ("sobi", "amuse", "fastica", "picard")),
}
SOLVABLE = [(problem, method) for problem, (_, methods) in PROBLEMS.items() for method in methods]


def make(method, n_components=None):
    seeded = {"random_state": 0} if method in ("fastica", "picard") else {}
    return BASELINES[method](n_components, **seeded)


@pytest.mark.parametrize(("problem", "method"), SOLVABLE)
@pytest.mark.parametrize("m", [3, 6])
@pytest.mark.parametrize("condition_number", [1.0, 30.0])
def test_separates_suitable_sources(problem, method, m, condition_number):
    S = PROBLEMS[problem][0]
    mixing = random_linear(3, m, condition_number, seed=m)
    separator = make(method, 3).fit(mixing(S))
    # Sources are recovered up to their chance correlation: about T^-1/2, and 0.011 for the artificial ones.
    limit = 1 - (5 * T**-0.5) ** 2
    assert matched_correlation(separator.transform(mixing(S)), S).min() > limit
    assert amari_distance(separator.components_, mixing.matrix) < 5 * T**-0.5
    assert separator.converged_


def test_whitening_alone_does_not_separate():
    simulation = simulate("linear", seed=2)
    Y = simulation.recording.values
    assert matched_correlation(PCA().fit_transform(Y), simulation.sources).min() < 0.95


# --- invariances -------------------------------------------------------------------

CHANGES = {
    "channels permuted": lambda Y: Y[:, [2, 0, 3, 1]],
    "one channel flipped": lambda Y: Y * [1, -1, 1, 1],
    "all flipped": lambda Y: -Y,
    "units": lambda Y: Y * [1e-6, 1.0, 1e3, 20.0],
    "offsets": lambda Y: Y + np.array([5.0, -3.0, 100.0, 0.0]),
}
REVERSAL = {"time reversed": lambda Y: Y[::-1]}
SAME = [(method, change) for method in BASELINES for change in CHANGES]


@pytest.mark.parametrize(("method", "change"), [*SAME, ("sobi", "time reversed"), ("amuse", "time reversed")])
@pytest.mark.parametrize("n", [3, 4])
def test_result_is_invariant(method, change, n):
    Y = simulate("linear", n_channels=4, noise=0.05, seed=3).recording.values
    changed = (CHANGES | REVERSAL)[change](Y)
    before, after = make(method, n).fit_transform(Y), make(method, n).fit_transform(changed)
    if change == "time reversed":
        after = after[::-1]
    # The iterative ones stop near the optimum: their own tolerance bounds the difference.
    loss = {"fastica": 1e-3, "picard": 1e-6}.get(method, 1e-9)
    assert matched_correlation(after, before).min() > 1 - loss


@pytest.mark.parametrize("method", ["fastica", "picard"])
def test_sample_order_plays_no_role_for_methods_of_values(method):
    Y = simulate("linear", seed=4).recording.values
    order = np.random.default_rng(4).permutation(len(Y))
    before, after = make(method).fit_transform(Y), make(method).fit_transform(Y[order])
    assert matched_correlation(after, before[order]).min() > 1 - 1e-3


@pytest.mark.parametrize("method", BASELINES)
@pytest.mark.parametrize("shape", [(10, 2), (10, 3), (5, 2)])
def test_short_recordings(method, shape):
    Y = np.random.default_rng(5).standard_normal(shape)
    S = make(method).fit_transform(Y)
    assert S.shape == shape
    assert np.isfinite(S).all()


# --- agreement with the wrapped libraries ------------------------------------------------------------


def reference(method, Y):
    from picard import picard
    from sklearn import decomposition

    if method == "fastica":
        return decomposition.FastICA(whiten="unit-variance", random_state=0, max_iter=500).fit_transform(Y)
    if method == "picard":
        return picard(Y.T, random_state=0)[2].T
    standardised = (Y - Y.mean(axis=0)) / Y.std(axis=0)
    return decomposition.PCA(n_components=3, whiten=True).fit_transform(standardised)


@pytest.mark.parametrize(("method", "loss"), [("fastica", 1e-3), ("picard", 1e-6), ("pca", 1e-9)])
def test_agrees_with_the_library(method, loss):
    Y = simulate("linear", noise=0.05, seed=6).recording.values
    assert matched_correlation(make(method).fit_transform(Y), reference(method, Y)).min() > 1 - loss


def test_amuse_diagonalises_its_lag():
    Y = simulate("linear", noise=0.05, seed=7).recording.values
    S = AMUSE(lag=3).fit_transform(Y)
    lagged = S[3:].T @ S[:-3]
    lagged = lagged + lagged.T
    assert np.abs(lagged - np.diag(np.diag(lagged))).max() < 1e-9 * np.abs(lagged).max()


@pytest.mark.parametrize("separator", [FastICA(max_iter=1, random_state=0), Picard(max_iter=1), SOBI(max_sweeps=1)])
def test_running_out_of_iterations_is_an_attribute_not_a_warning(separator):
    Y = simulate("linear", seed=8).recording.values
    assert separator.fit(Y).converged_ is False
