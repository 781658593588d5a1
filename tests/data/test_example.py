"""The example recording is as described in its README."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from stradiff.data import check_rank, load_gait
from stradiff.errors import InputError


def test_the_whole_recording():
    gait = load_gait()
    assert gait.values.shape == (7040, 9)
    assert (gait.sampling_rate, gait.units, gait.duration) == (64.0, "mg", 7039 / 64)
    assert gait.channel_names[:2] == ("ankle_horiz_fwd", "ankle_vert")
    assert gait.channel_names[-1] == "trunk_horiz_lateral"
    assert check_rank(gait.values) == 9


def test_the_numbers_are_those_of_the_source():
    values = load_gait().values.astype("<i2").tobytes()
    assert hashlib.sha256(values).hexdigest() == "6100b3e808e56605f1e2a0dbb5472dd1082cb0684b4bb12a173bbfa7fe807a04"


def test_standing_and_walking():
    vertical = load_gait().values[:, 1]
    walking = vertical[1600:6780].reshape(-1, 70)  # about one stride each
    assert vertical[400:1310].std() < 20
    assert np.median(walking.std(axis=1)) > 300
    assert abs(vertical[400:1310].mean() - 1000) < 30  # gravity


@pytest.mark.parametrize("start", [0, 1920, 6740])
def test_segments(start):
    segment = load_gait(300, start)
    np.testing.assert_array_equal(segment.values, load_gait().values[start : start + 300])
    assert load_gait(start=start).n_samples == 7040 - start


@pytest.mark.parametrize(
    ("n_samples", "start"), [(7041, 0), (1, 0), (0, 0), (10, 7035), (10, -1), (None, 7039), (-5, 0)]
)
def test_segments_outside(n_samples, start):
    with pytest.raises(InputError, match=f"start={start} and n_samples={n_samples} do not fit"):
        load_gait(n_samples, start)
