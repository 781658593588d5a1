"""Comparison of methods: the same metrics for all, and the oracle above every linear one."""

from __future__ import annotations

import numpy as np
import pytest

from stradiff.data.recording import Recording
from stradiff.report.comparison import MethodResult, baselines, compare, cross_correlation


@pytest.fixture(scope="module")
def rows(recording, truth):
    return {row["method"]: row for row in compare(baselines(recording, 3), recording, truth)}


def test_all_baselines_and_the_oracle_are_compared(rows):
    assert list(rows) == ["SOBI", "FastICA", "PCA", "best linear unmixing"]


def test_a_noiseless_linear_mixture_is_solved(rows):
    assert rows["SOBI"]["mean_correlation"] > 0.99
    assert min(rows["SOBI"]["matched_correlation"]) > 0.99
    assert rows["best linear unmixing"]["mean_correlation"] == pytest.approx(1.0)


def test_no_linear_method_exceeds_the_oracle(rows):
    oracle = np.array(rows["best linear unmixing"]["matched_correlation"])
    for name in ("SOBI", "FastICA", "PCA"):
        assert np.all(np.array(rows[name]["matched_correlation"]) <= oracle + 1e-12)


def test_three_sources_explain_a_recording_of_rank_three(rows):
    for name in ("SOBI", "FastICA", "PCA"):
        assert rows[name]["explained_variance"] == pytest.approx(1.0)
        assert rows[name]["seconds"] > 0
    assert rows["best linear unmixing"]["explained_variance"] is None


def test_without_truth_there_is_no_oracle_and_no_correlation(recording, truth):
    (row,) = compare([MethodResult("truth itself", truth)], recording)
    assert set(row) == {"method", "seconds", "explained_variance", "cross_correlation"}


def test_a_failing_method_is_left_out_with_a_warning(recording):
    flat = Recording(np.column_stack([recording.values[:, 0]] * 3))  # three channels of rank one
    with pytest.warns(UserWarning, match="is left out of the comparison") as caught:
        assert list(baselines(flat, 2)) == []
    assert len(caught) == 3


@pytest.mark.parametrize("shift", [-7, 0, 7])
def test_cross_correlation_finds_a_shifted_copy(shift):
    s = np.random.default_rng(0).standard_normal(2000)
    assert cross_correlation(np.column_stack([s, -np.roll(s, shift)])) == pytest.approx(1.0, abs=0.02)


def test_cross_correlation_of_unrelated_noise_is_small():
    # 102 correlations of independent noise of standard deviation 1 / sqrt(T) each: none passes five of them.
    S = np.random.default_rng(1).standard_normal((5000, 2))
    assert cross_correlation(S) < 5 / np.sqrt(5000)


def test_one_source_has_no_cross_correlation():
    assert cross_correlation(np.ones((10, 1))) == 0.0
