"""Sources of a linear method to start from: as many components as it takes, and those that explain the others."""

from __future__ import annotations

import numpy as np
import pytest

from stradiff import SOBI, matched_correlation, simulate
from stradiff.fitting.linear_start import components, explaining, linear_sources
from stradiff.observations.sources import artificial_sources

T = 1000


def normalised(Y):
    return (Y - Y.mean(axis=0)) / Y.std(axis=0)


def test_a_linear_map_starts_from_the_plain_method():
    observed = normalised(simulate("linear", n_channels=6, noise=0.1, seed=0).recording.values)
    plain = SOBI(3).fit_transform(observed)
    np.testing.assert_array_equal(linear_sources(observed, "sobi", 3, bent=False), plain)
    square = normalised(simulate("leaky_relu", n_channels=3, seed=0).recording.values)
    np.testing.assert_array_equal(linear_sources(square, "sobi", 3, bent=True), SOBI(3).fit_transform(square))


@pytest.mark.parametrize(("weak", "expected"), [(0.5, 2), (2.0, 3), (6.0, 4)])
def test_components_are_as_many_as_it_takes_and_at_most_twice_the_sources(weak, expected):
    directions, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((T, 6)))
    observed = directions * np.array([9.0, 8.0, weak, weak / 2, weak / 2, weak / 2])
    assert components(observed, 2) == expected


def test_sources_are_told_from_what_a_bend_makes_of_them():
    """The square of one source is stronger here than another source, and a function of the first."""
    S = artificial_sources(T)
    bent = S[:, 0] ** 2 - 1.0
    parts = np.column_stack([S[:, 0], bent, S[:, 1], S[:, 2]])
    mixing = np.random.default_rng(0).standard_normal((4, 7))
    observed = parts @ (np.array([3.0, 2.0, 0.7, 0.7])[:, None] * mixing)
    assert sorted(explaining(parts, observed, 3)) == [0, 2, 3]


def test_a_bent_recording_of_many_channels_starts_nearer_to_its_sources():
    gains = []
    for seed in range(3):
        made = simulate("leaky_relu", n_channels=9, seed=seed)
        observed = normalised(made.recording.values)
        start, plain = linear_sources(observed, "sobi", 3, bent=True), SOBI(3).fit_transform(observed)
        assert start.shape == (T, 3)
        gains.append(matched_correlation(start, made.sources).mean() - matched_correlation(plain, made.sources).mean())
    assert min(gains) > -0.01
    assert max(gains) > 0.01


@pytest.mark.parametrize(("n_samples", "n_sources"), [(20, 2), (60, 10)])
def test_short_records_and_many_sources_are_no_matter(n_samples, n_sources):
    rng = np.random.default_rng(0)
    observed = normalised(np.cumsum(rng.standard_normal((n_samples, n_sources + 3)), axis=0))
    start = linear_sources(observed, "fastica", n_sources, bent=True)
    assert start.shape == (n_samples, n_sources)
    assert np.isfinite(start).all()
