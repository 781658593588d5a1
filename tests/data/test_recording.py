"""Validation of recordings: values, times, names and rank."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stradiff.data import Recording, check_observations, check_rank, check_times
from stradiff.errors import InputError, OptionError

RNG = np.random.default_rng(0)
GOOD = RNG.standard_normal((20, 3))


def with_cell(row, column, value, dtype=float):
    array = GOOD.astype(dtype)
    array[row, column] = value
    return array


def with_column(column, value):
    array = GOOD.copy()
    array[:, column] = value
    return array


BAD_VALUES = {
    "nan": (with_cell(7, 1, np.nan), ["channel 2", "NaN", "row 7", "interpolate"]),
    "inf": (with_cell(0, 2, -np.inf), ["channel 3", "inf", "row 0"]),
    "first of several": (with_cell(slice(4, None), 0, np.nan), ["channel 1", "row 4", "16 in all"]),
    "constant": (with_column(1, 5.0), ["channel 2", "constant", "5", "leave it out"]),
    "constant to rounding": (with_column(0, 1e9 * (1 + 1e-16 * RNG.random(20))), ["channel 1", "constant"]),
    "too large": (GOOD * 1e150, ["larger unit"]),
    "too small": (GOOD * 1e-150, ["smaller unit"]),
    "one dimension": (GOOD[:, 0], ["2-D", "(20,)", "reshape(-1, 1)"]),
    "three dimensions": (GOOD[None], ["2-D", "(1, 20, 3)"]),
    "one row": (GOOD[:1], ["n_samples = 1", "at least 2"]),
    "no row": (GOOD[:0], ["n_samples = 0"]),
    "no channel": (GOOD[:, :0], ["no channel", "(20, 0)"]),
    "text": (np.array([["a", "b"], ["c", "d"]]), ["type <U1", "numbers"]),
    "text among objects": (with_cell(3, 1, "1.5", object), ["'1.5'", "row 3", "not a number"]),
    "missing object": (with_cell(3, 1, pd.NA, object), ["<NA>", "row 3"]),
    "dates": (GOOD.astype("datetime64[s]"), ["datetime64", "numbers"]),
    "complex": (GOOD * 1j, ["Complex data not supported", "real part"]),
    "booleans": (GOOD > 0, ["True and False", "astype(float)"]),
    "ragged": ([[1.0, 2.0], [3.0]], ["not a table"]),
    "sparse": (sparse.csr_array(GOOD), ["sparse", "toarray()"]),
    "masked": (np.ma.masked_less(GOOD, 0), ["masked", "interpolate"]),
}


@pytest.mark.parametrize(("values", "parts"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_bad_values_are_named(values, parts):
    with pytest.raises(InputError) as caught:
        check_observations(values)
    message = str(caught.value)
    assert not [part for part in parts if part not in message], message
    assert "\n" not in message


def test_messages_use_the_channel_names():
    with pytest.raises(InputError, match="'Fz'"):
        check_observations(with_column(2, 1.0), channel_names=["C3", "C4", "Fz"])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("float32", "float32"),
        ("float64", "float64"),
        ("float16", "float32"),
        ("longdouble", "float64"),
        (">f4", "float32"),
        (">f8", "float64"),
        ("int16", "float64"),
        ("uint8", "float64"),
        ("int64", "float64"),
        ("object", "float64"),
    ],
)
def test_dtype(given, kept):
    values = np.arange(12).reshape(6, 2) ** 2
    checked = check_observations(values.astype(given))
    assert checked.dtype == np.dtype(kept)
    assert checked.dtype.isnative
    np.testing.assert_array_equal(checked, values)


def test_floats_are_not_copied():
    assert np.shares_memory(check_observations(GOOD), GOOD)


def test_frames_and_lists_are_tables():
    np.testing.assert_array_equal(check_observations(pd.DataFrame(GOOD)), GOOD)
    np.testing.assert_array_equal(check_observations(GOOD.tolist()), GOOD)


def test_values_for_a_fitted_map_may_be_constant_and_short():
    constant = np.ones((1, 3))
    np.testing.assert_array_equal(check_observations(constant, min_samples=1, allow_constant=True), constant)
    with pytest.raises(InputError, match="NaN"):
        check_observations(constant * np.nan, min_samples=1, allow_constant=True)


def shifted(row, by):
    times = np.arange(20.0)
    times[row] += by
    return times


BAD_TIMES = {
    "repeated": (shifted(5, -1.0), ["row 5", "4 follows 4", "sort"]),
    "backwards": (shifted(7, -3.5), ["row 7", "3.5 follows 6"]),
    "nan": (shifted(3, np.nan), ["row 3", "nan"]),
    "inf": (shifted(19, np.inf), ["row 19", "inf"]),
    "too few": (np.arange(19.0), ["(19,)", "20 samples"]),
    "two-dimensional": (np.arange(20.0)[:, None], ["(20, 1)"]),
    "dates": (np.arange(20).astype("datetime64[s]"), ["times", "datetime64"]),
    "ragged": ([[0.0], 1.0], ["times", "not a table"]),
    "no span": (np.arange(20) * 1e-200, ["span"]),
}


@pytest.mark.parametrize(("times", "parts"), BAD_TIMES.values(), ids=BAD_TIMES)
def test_bad_times_are_named(times, parts):
    with pytest.raises(InputError) as caught:
        check_times(times, 20)
    assert not [part for part in parts if part not in str(caught.value)], str(caught.value)


BAD_RECORDINGS = {
    "values": ({"values": GOOD[:, 0]}, "2-D"),
    "times": ({"times": np.arange(19.0)}, "20 samples"),
    "number of names": ({"channel_names": ("a", "b")}, "2 names"),
    "repeated name": ({"channel_names": ("a", "b", "a")}, "Channels 1 and 3 are both named 'a'"),
    "rate of zero": ({"sampling_rate": 0.0}, "above 0"),
    "negative rate": ({"sampling_rate": -5.0}, "above 0"),
    "rate without bound": ({"sampling_rate": np.inf}, "sampling_rate=inf"),
    "rate that is none": ({"sampling_rate": np.nan}, "sampling_rate=nan"),
    "rate and times": ({"sampling_rate": 1.0, "times": np.arange(20.0)}, "either times or a sampling_rate"),
}


@pytest.mark.parametrize(("settings", "part"), BAD_RECORDINGS.values(), ids=BAD_RECORDINGS)
def test_bad_recordings_are_refused(settings, part):
    with pytest.raises(InputError, match=part.replace("(", r"\(")):
        Recording(**{"values": GOOD} | settings)


@pytest.mark.parametrize(
    ("settings", "unit", "axis", "duration"),
    [
        ({}, "samples", np.arange(20.0), 19.0),
        ({"sampling_rate": 4.0}, "s", np.arange(20) / 4, 4.75),
        ({"times": np.arange(20.0) ** 2 + 3}, "s", np.arange(20.0) ** 2 + 3, 361.0),
    ],
)
def test_time_axis(settings, unit, axis, duration):
    recording = Recording(GOOD, **settings)
    assert recording.time_unit == unit
    np.testing.assert_array_equal(recording.time_axis, axis)
    assert recording.duration == duration


def test_a_recording_is_immutable():
    values = GOOD.copy()
    recording = Recording(values)
    assert (recording.n_samples, recording.n_channels) == (20, 3)
    assert recording.channel_names == ("channel 1", "channel 2", "channel 3")
    with pytest.raises(ValueError, match="read-only"):
        recording.values[0, 0] = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        recording.name = "other"
    values[0, 0] = 0.0  # the caller's array stays writeable


def test_one_channel_is_a_recording():
    assert Recording(GOOD[:, :1]).n_channels == 1


# --- rank ---------------------------------------------------------------------------------------------


def test_full_rank_and_rank_enough():
    assert check_rank(GOOD) == 3
    mixed = GOOD[:, :2] @ RNG.standard_normal((2, 4))
    assert check_rank(mixed, 2) == 2


LOW_RANK = {
    "identical": (
        np.column_stack([GOOD, GOOD[:, 1]]),
        ["channel 2", "channel 4", "identical", "n_components=3"],
    ),
    "proportional": (
        np.column_stack([GOOD, -3 * GOOD[:, 0] + 7]),
        ["channel 1", "channel 4", "scale and offset"],
    ),
    "sum": (np.column_stack([GOOD, GOOD @ [1.0, 2.0, 0.5]]), ["weighted sums", "n_components=3"]),
    "few samples": (RNG.standard_normal((4, 6)), ["4 samples are too few", "n_components=3"]),
    "one channel": (GOOD[:, :1], ["at least two channels", "n_features = 1"]),
}


@pytest.mark.parametrize(("values", "parts"), LOW_RANK.values(), ids=LOW_RANK)
def test_low_rank_is_explained(values, parts):
    with pytest.raises(InputError) as caught:
        check_rank(values)
    assert not [part for part in parts if part not in str(caught.value)], str(caught.value)


@pytest.mark.parametrize("n_components", [0, -1, 4, True])
def test_impossible_numbers_of_components(n_components):
    with pytest.raises(OptionError, match=f"n_components={n_components!r}"):
        check_rank(GOOD, n_components)


@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rank_allows_for_rounding(dtype, offset):
    """A rescaled copy of a channel differs by rounding; a difference a hundred times larger is a signal."""
    signal = RNG.standard_normal((2000, 2)) + offset
    repeated = np.column_stack([signal, signal[:, 0] / 3]).astype(dtype)
    with pytest.raises(InputError, match="'channel 1' and 'channel 3'"):
        check_rank(repeated)
    digit = max(np.finfo(dtype).eps * max(offset, 1), 1e-6)
    varied = signal[:, 0] / 3 + 100 * digit * RNG.standard_normal(2000)
    assert check_rank(np.column_stack([signal, varied]).astype(dtype)) == 3


def test_rank_ignores_units_and_order():
    values = GOOD * [1e-9, 1.0, 1e9]
    assert check_rank(values) == check_rank(values[:, ::-1]) == 3
