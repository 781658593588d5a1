"""The number of sources: simulated linear cases at 20 dB, and records from which it cannot be estimated."""

from __future__ import annotations

import numpy as np
import pytest

from stradiff.data import with_gaps
from stradiff.data.model_order import count_sources
from stradiff.data.simulate import simulate
from stradiff.data.sources import gp_sources
from stradiff.errors import InputError


def recording(n, m, n_samples=1000, seed=100, condition_number=3.0):
    sources = gp_sources(n_samples, np.geomspace(50, 3, n), seed=seed)
    simulation = simulate(
        "linear", sources=sources, n_channels=m, noise=0.1, condition_number=condition_number, seed=seed
    )
    return simulation.recording.values.copy()


@pytest.mark.parametrize(("n_samples", "condition_number"), [(300, 3.0), (1000, 10.0), (5000, 10.0)])
def test_nine_of_ten_are_right(n_samples, condition_number):
    counts = [2, 3, 4, 5, 6, 7, 8, 9, 10, 10]
    cases = [(n, 12 if i % 2 else 2 * n, n_samples, 100 + i, condition_number) for i, n in enumerate(counts)]
    right = sum(count_sources(recording(*case)) == case[0] for case in cases)
    assert right >= 9


def test_a_noisy_channel_is_not_a_source():
    values = recording(3, 8)
    values[:, 2] += 3 * values[:, 2].std() * np.random.default_rng(101).standard_normal(len(values))
    assert count_sources(values) == 3


def test_units_and_offsets_do_not_count():
    values = recording(4, 8)
    assert count_sources(values * np.geomspace(1e-3, 1e6, 8) + 5.0) == count_sources(values) == 4


def test_with_as_many_sources_as_channels_all_are_found():
    assert count_sources(recording(5, 5)) == 5


def test_repeated_channels_and_no_noise():
    values = simulate("linear", n_channels=6, seed=102).recording.values
    assert count_sources(np.hstack([values, values])) == 3


@pytest.mark.parametrize("gaps", [(0.05, 10, False), (0.1, 20, True), (0.02, 1, False)])
def test_gaps_are_left_out(gaps):
    """Interpolated values are predictable and would be counted as sources."""
    fraction, length, whole_rows = gaps
    values = with_gaps(recording(3, 8), fraction, seed=0, gap_length=length, whole_rows=whole_rows)
    assert count_sources(values) == 3


def test_too_few_complete_rows():
    values = with_gaps(recording(3, 8), 0.2, seed=0, gap_length=1, whole_rows=False)
    with pytest.raises(InputError, match=r"of 1000 samples can be compared .* at least 32 samples without gaps"):
        count_sources(values)
    with pytest.raises(InputError, match="No sample"):
        count_sources(np.full((100, 3), np.nan))
    with pytest.raises(InputError, match="too few to count"):
        count_sources(np.array([[0.0, 1.0], [1.0, 3.0]]))


def test_too_many_channels_for_the_record():
    with pytest.raises(InputError, match="at least 48 samples"):
        count_sources(np.random.default_rng(103).standard_normal((40, 12)))


def test_white_noise_has_no_sources():
    with pytest.raises(InputError, match="predicted from its past"):
        count_sources(np.random.default_rng(104).standard_normal((1000, 4)))
