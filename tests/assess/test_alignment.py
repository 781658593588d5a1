"""Matching against known permutations, signs and scales, against brute force, and with broken estimates."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from stradiff.assess import match_sources
from stradiff.errors import InputError

T = 200


def truth(n=3, seed=0):
    return np.random.default_rng(seed).standard_normal((T, n)) * [1.0, 5.0, 0.1, 2.0, 1.0][:n] + 3.0


def noisy(S, seed=1):
    return S + 0.3 * S.std(axis=0) * np.random.default_rng(seed).standard_normal(S.shape)


@given(
    order=st.permutations(range(4)),
    sign=st.lists(st.sampled_from([-1.0, 1.0]), min_size=4, max_size=4),
    scale=st.lists(st.floats(1e-3, 1e3), min_size=4, max_size=4),
    offset=st.floats(-10.0, 10.0),
)
def test_permutation_sign_scale_and_offset_are_undone(order, sign, scale, offset):
    S = truth(4)
    factor = np.array(sign) * np.array(scale)
    estimate = np.empty_like(S)
    estimate[:, order] = S * factor + offset
    matching = match_sources(estimate, S)
    np.testing.assert_array_equal(matching.order, order)
    np.testing.assert_array_equal(matching.sign, sign)
    np.testing.assert_allclose(matching.scale, 1 / np.array(scale))
    np.testing.assert_allclose(matching.correlation, 1)
    np.testing.assert_allclose(matching.apply(estimate), S, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(matching.apply_sd(np.ones_like(S)), np.ones_like(S) / scale)


@pytest.mark.parametrize("n_hat", [2, 3, 5])
@pytest.mark.parametrize("rank", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_brute_force(n_hat, rank, seed):
    S, estimate = truth(3, seed), np.random.default_rng(seed + 9).standard_normal((T, n_hat))
    table = np.zeros((3, 5))
    for k in range(3):
        for j in range(n_hat):
            pair = S[:, k], estimate[:, j]
            table[k, j] = abs(spearmanr(*pair).statistic if rank else np.corrcoef(*pair)[0, 1])
    best = max(sum(table[k, j] for k, j in enumerate(choice)) for choice in permutations(range(5), 3))
    matching = match_sources(estimate, S, rank=rank)
    np.testing.assert_allclose(matching.correlation.sum(), best)
    expected = [table[k, j] if j >= 0 else 0 for k, j in enumerate(matching.order)]
    np.testing.assert_allclose(matching.correlation, expected, atol=1e-12)


def test_scale_and_offset_are_least_squares():
    S = truth()
    estimate = -noisy(S)
    aligned = match_sources(estimate, S).apply(estimate)
    for k in range(3):
        design = np.column_stack([estimate[:, k], np.ones(T)])
        expected = design @ np.linalg.lstsq(design, S[:, k], rcond=None)[0]
        np.testing.assert_allclose(aligned[:, k], expected, atol=1e-10)


@pytest.mark.parametrize("bad", [0.0, 1.0, 0.1, np.nan, np.inf, 1e200], ids=str)
def test_a_broken_column_counts_as_zero(bad):
    S = truth()
    estimate = noisy(S)
    estimate[:, 1] = bad
    matching = match_sources(estimate, S)
    assert matching.correlation[1] == matching.scale[1] == 0
    assert (matching.correlation[[0, 2]] > 0.9).all()
    aligned = matching.apply(estimate)
    np.testing.assert_allclose(aligned[:, 1], S[:, 1].mean())
    assert np.isfinite(aligned).all()


@pytest.mark.parametrize("rank", [False, True])
def test_a_column_of_rounding_counts_as_constant(rank):
    S = truth()
    estimate = noisy(S)
    estimate[:, 0] = 1.0 + np.finfo(float).eps * np.sign(S[:, 0])
    assert match_sources(estimate, S, rank=rank).correlation[0] == 0


def test_one_nan_breaks_only_its_column():
    S = truth()
    estimate = noisy(S)
    estimate[7, 2] = np.nan
    correlation = match_sources(estimate, S).correlation
    assert correlation[2] == 0
    assert (correlation[:2] > 0.9).all()


def test_too_few_estimates_leave_sources_unmatched():
    S = truth()
    estimate = noisy(S)[:, [2]]
    matching = match_sources(estimate, S)
    np.testing.assert_array_equal(matching.order, [-1, -1, 0])
    np.testing.assert_array_equal(matching.correlation[:2], 0)
    np.testing.assert_allclose(matching.apply(estimate)[:, :2], S[:, :2].mean(axis=0)[None].repeat(T, axis=0))
    assert not matching.apply_sd(np.ones((T, 1)))[:, :2].any()


def test_surplus_estimates_are_left_out():
    S = truth()
    surplus = np.column_stack([np.random.default_rng(2).standard_normal((T, 2)), noisy(S)])
    np.testing.assert_array_equal(match_sources(surplus, S).order, [2, 3, 4])


def test_ranks_are_invariant_to_increasing_functions():
    S = truth(2)
    transformed = np.column_stack([np.exp(S[:, 1]), -(S[:, 0] ** 3)])
    matching = match_sources(transformed, S, rank=True)
    np.testing.assert_array_equal(matching.order, [1, 0])
    np.testing.assert_array_equal(matching.sign, [-1, 1])
    np.testing.assert_allclose(matching.correlation, 1)
    assert match_sources(transformed, S).correlation.max() < 0.999


@pytest.mark.parametrize(
    ("estimate", "S"),
    [
        (truth(), truth()[:-1]),
        (truth()[:, 0], truth()),
        (truth(), truth()[:, :0]),
        (truth(), np.where(np.arange(3) == 1, 4.2, truth())),
        (truth(), np.where(np.arange(3) == 1, np.nan, truth())),
        (truth()[:1], truth()[:1]),
    ],
)
def test_unusable_truths_and_shapes_are_refused(estimate, S):
    with pytest.raises(InputError):
        match_sources(estimate, S)


def test_apply_refuses_too_few_columns():
    matching = match_sources(truth(), truth())
    with pytest.raises(InputError, match="too few"):
        matching.apply(truth(2))
