"""SOBI against literal loops and against matrices with a known solution."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ortho_group

from stradiff.assess import matched_correlation
from stradiff.data.simulate import simulate
from stradiff.linear.sobi import SOBI, _disjoint_planes, joint_diagonaliser, lagged_covariances, resolve_lags


def literal_covariance(Z, lag):
    """Belouchrani et al. 1997, one product at a time."""
    T, n = Z.shape
    R = np.zeros((n, n))
    for t in range(lag, T):
        for i in range(n):
            for j in range(n):
                R[i, j] += Z[t, i] * Z[t - lag, j] / (T - lag)
    return (R + R.T) / 2


def literal_diagonaliser(matrices, sweeps=30):
    """Cardoso & Souloumiac 1996, real matrices: the angle from their 2 x 2 eigenproblem, pair after pair."""
    matrices = [C.copy() for C in matrices]
    n = len(matrices[0])
    V = np.eye(n)
    for _ in range(sweeps):
        for p in range(n - 1):
            for q in range(p + 1, n):
                G = np.zeros((2, 2))
                for C in matrices:
                    h = np.array([C[p, p] - C[q, q], C[p, q] + C[q, p]])
                    G += np.outer(h, h)
                x, y = np.linalg.eigh(G)[1][:, -1]
                if x < 0:
                    x, y = -x, -y
                c, s = math.sqrt((x + 1) / 2), y / math.sqrt(2 * (x + 1))
                R = np.eye(n)
                R[p, p], R[p, q], R[q, p], R[q, q] = c, -s, s, c
                matrices = [R.T @ C @ R for C in matrices]
                V = V @ R
    return V


def off_diagonal(matrices, V):
    rotated = [V.T @ C @ V for C in matrices]
    return sum((C**2).sum() - (np.diag(C) ** 2).sum() for C in rotated)


def test_lagged_covariances_against_loops():
    Z = np.random.default_rng(0).standard_normal((30, 3))
    expected = [literal_covariance(Z, lag) for lag in (1, 2, 7)]
    np.testing.assert_allclose(lagged_covariances(Z, [1, 2, 7]), expected, atol=1e-14)


@pytest.mark.parametrize("n", [2, 3, 4, 7])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_joint_diagonaliser_against_loops(n, noise):
    rng = np.random.default_rng(n)
    axes = ortho_group.rvs(n, random_state=n)
    matrices = np.stack([axes @ np.diag(rng.standard_normal(n)) @ axes.T for _ in range(10)])
    disturbance = noise * rng.standard_normal(matrices.shape)
    matrices += disturbance + disturbance.transpose(0, 2, 1)
    V, _, converged = joint_diagonaliser(matrices)
    expected = literal_diagonaliser(matrices)
    assert converged
    np.testing.assert_allclose(V.T @ V, np.eye(n), atol=1e-12)
    np.testing.assert_allclose(np.abs(V.T @ expected).max(axis=0), 1, atol=1e-8)
    total = (matrices**2).sum()
    assert off_diagonal(matrices, V) <= off_diagonal(matrices, expected) + 1e-12 * total
    if noise == 0:
        assert off_diagonal(matrices, V) < 1e-12 * total


@pytest.mark.parametrize(
    "matrices",
    [
        np.array([[[0.0, 1.0], [1.0, 0.0]]]),  # the angle with the other half-angle formula is 0: stuck
        np.eye(3)[None].repeat(4, axis=0),  # every rotation is as good
        np.zeros((2, 3, 3)),
        np.array([[[2.0]], [[3.0]]]),
    ],
)
def test_joint_diagonaliser_of_special_matrices(matrices):
    V, _, converged = joint_diagonaliser(matrices)
    assert converged
    np.testing.assert_allclose(V.T @ V, np.eye(len(V)), atol=1e-15)
    assert off_diagonal(matrices, V) < 1e-20


@pytest.mark.parametrize("n", range(1, 12))
def test_planes_cover_every_pair_once_without_sharing_an_axis(n):
    rounds = _disjoint_planes(n)
    pairs = [frozenset((int(a), int(b))) for p, q in rounds for a, b in zip(p, q, strict=True)]
    assert len(pairs) == len(set(pairs)) == n * (n - 1) // 2
    for p, q in rounds:
        assert len(set(p) | set(q)) == 2 * len(p)


def test_sobi_against_literal_loops():
    Y = simulate("linear", noise=0.1, n_samples=200, seed=1).recording.values
    X = Y - Y.mean(axis=0)
    deviation, axes = np.linalg.eigh(X.T @ X / len(X))
    Z = X @ axes / np.sqrt(deviation)
    expected = Z @ literal_diagonaliser([literal_covariance(Z, lag) for lag in range(1, 6)])
    assert matched_correlation(SOBI(lags=5).fit_transform(Y), expected).min() > 1 - 1e-9


@pytest.mark.parametrize(
    ("lags", "n_samples", "expected"),
    [
        (3, 100, [1, 2, 3]),
        (50, 100, list(range(1, 26))),
        (50, 10, [1, 2]),
        (50, 3, [1]),
        ([2, 60], 100, [2, 60]),
    ],
)
def test_lags(lags, n_samples, expected):
    assert resolve_lags(lags, n_samples) == expected


def test_many_sources():
    S = np.column_stack([simulate(sources="ar", n_samples=1000, seed=k).sources[:, k % 3] for k in range(20)])
    separator = SOBI().fit(simulate(sources=S, seed=0).recording.values)
    assert separator.components_.shape == (20, 20)
    assert separator.converged_
