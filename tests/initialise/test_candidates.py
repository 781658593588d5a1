"""Sources of a linear method to start from: of more components than sources, those that explain the others."""

from __future__ import annotations

import numpy as np
import pytest

from stradiff import SOBI, matched_correlation, simulate
from stradiff.data.sources import artificial_sources
from stradiff.initialise import candidates as candidates_module
from stradiff.initialise.candidates import candidates, explaining, linear_sources, numbers_of_components

T = 1000


def normalised(Y):
    return (Y - Y.mean(axis=0)) / Y.std(axis=0)


def test_the_sources_are_those_of_the_plain_method():
    observed = normalised(simulate("linear", n_channels=6, noise=0.1, seed=0).recording.values)
    np.testing.assert_array_equal(linear_sources(observed, "sobi", 3), SOBI(3).fit_transform(observed))


@pytest.mark.parametrize(
    ("least", "most", "expected"),
    [(3, 3, [3]), (3, 6, [3, 4, 5, 6]), (2, 4, [2, 3, 4]), (20, 40, [20, 27, 33, 40]), (1, 2, [1, 2])],
)
def test_numbers_of_components_go_from_n_to_twice_n(least, most, expected):
    assert numbers_of_components(least, most) == expected


def test_candidates_are_no_more_than_there_are_independent_signals():
    noisy = normalised(simulate("linear", n_channels=6, noise=0.1, seed=0).recording.values)
    assert len(candidates(noisy, "sobi", 3)) == 7  # of 3, 4 and 5 components one each, of 6 four
    without_noise = normalised(simulate("linear", n_channels=6, seed=0).recording.values)
    (only,) = candidates(without_noise, "sobi", 3)
    assert matched_correlation(only, SOBI(3).fit_transform(without_noise)).min() > 1 - 1e-9


def test_sources_are_preferred_to_functions_of_others(monkeypatch):
    """The square of one source is stronger here than another source, and a function of the first."""
    S = artificial_sources(T)
    components = np.column_stack([S[:, 0], S[:, 0] ** 2 - 1.0, S[:, 1], S[:, 2]])
    mixing = np.random.default_rng(0).standard_normal((4, 7))
    observed = components @ (np.array([3.0, 2.0, 0.7, 0.7])[:, None] * mixing)
    assert explaining(components, observed, 3) == [[0, 2, 3]]
    ranked = explaining(components, observed, 3, 4)
    assert ranked[0] == [0, 2, 3] and len(ranked) == 4
    monkeypatch.setattr(candidates_module, "SUBSETS", 3)
    assert [sorted(columns) for columns in explaining(components, observed, 3, 4)] == [[0, 2, 3]], "one after the other"


def test_a_nonlinear_recording_of_many_channels_has_a_candidate_nearer_to_its_sources():
    for seed in range(3):
        made = simulate("leaky_relu", n_layers=3, n_channels=6, seed=seed)
        observed = normalised(made.recording.values)
        correlations = [matched_correlation(start, made.sources).mean() for start in candidates(observed, "sobi", 3)]
        assert max(correlations) > max(correlations[0] + 0.01, 0.85)


@pytest.mark.parametrize(("n_samples", "n_sources"), [(20, 2), (60, 10)])
def test_short_records_and_many_sources_have_candidates(n_samples, n_sources):
    rng = np.random.default_rng(0)
    observed = normalised(np.cumsum(rng.standard_normal((n_samples, n_sources + 3)), axis=0))
    for start in candidates(observed, "fastica", n_sources):
        assert start.shape == (n_samples, n_sources)
        assert np.isfinite(start).all()
