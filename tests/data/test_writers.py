"""Tables and JSON are read back exactly."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from stradiff.data import read_recording, write_json, write_table
from stradiff.errors import InputError, StorageError
from stradiff.files import atomic_path

VALUES = np.random.default_rng(0).standard_normal((40, 3)) * [1e-30, 1.0, 1e30]


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_impossible_paths(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for path, part in [(folder, "is a folder"), (tmp_path / "no" / "x.csv", "does not exist")]:
        with pytest.raises(StorageError, match=part):
            write_table(path, VALUES, ["a", "b", "c"])
    with pytest.raises(StorageError, match="cannot be written"), atomic_path(tmp_path / "nothing"):
        pass
    assert names_in(tmp_path) == ["folder"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_table_comes_back_exactly(tmp_path, dtype):
    names = ["plain", "with, comma", 'with "quotes"']
    values = VALUES.astype(dtype)
    write_table(tmp_path / "x.csv", values, names, times=np.arange(40) / 8)
    recording = read_recording(tmp_path / "x.csv")
    np.testing.assert_array_equal(recording.values.astype(dtype), values)
    assert (list(recording.channel_names), recording.sampling_rate) == (names, 8.0)


def test_irregular_times_come_back_exactly(tmp_path):
    times = np.r_[0.0, np.cumsum(np.random.default_rng(0).random(39) + 0.1)]
    write_table(tmp_path / "x.csv", VALUES, ["a", "b", "c"], times=times)
    np.testing.assert_array_equal(read_recording(tmp_path / "x.csv").times, times)


def test_the_same_table_gives_the_same_bytes(tmp_path):
    for name in ("x.csv", "y.csv"):
        write_table(tmp_path / name, VALUES, ["a", "b", "c"])
    assert (tmp_path / "x.csv").read_bytes() == (tmp_path / "y.csv").read_bytes()
    assert (tmp_path / "x.csv").read_bytes().startswith(b"a,b,c\n")


FORMULAS = ["=cmd()", "+1", "-x", "@sum", "\t=1", "\r=1", "\n=1", "\uff1d1", '=HYPERLINK("x","y")', "'=1", " =1"]
ODD_NAMES = [
    "1",
    "nan",
    "",
    "-",
    "12:00:00",
    "#",
    "\ufeffa",
    "a\nb",
    "a;b",
    'a"b',
    "a ",
    " a",
    "'",
    "''",
    "'a'",
    "x\x1b",
    "e1",
]


def test_a_spreadsheet_shows_names_as_text_and_we_read_them_back(tmp_path):
    names = [*FORMULAS, *ODD_NAMES]
    values = np.random.default_rng(0).standard_normal((40, len(names)))
    write_table(tmp_path / "x.csv", values, names)
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        header, first, *_ = csv.reader(file)
    assert not [cell for cell in header if cell[:1] in tuple("=+-@\t\r\n\uff1d")]
    assert {cell for cell, name in zip(header, names, strict=True) if cell != name} == {
        f"'{name}" for name in [*FORMULAS, "1", "nan", "", "-", "12:00:00", "#", "\ufeffa", "a ", " a", "'", "''"]
    }
    np.testing.assert_array_equal([float(cell) for cell in first], values[0])
    recording = read_recording(tmp_path / "x.csv")
    assert recording.channel_names == tuple(names)
    np.testing.assert_array_equal(recording.values, values)


@pytest.mark.parametrize("name", ODD_NAMES + FORMULAS)
def test_any_name_of_a_single_channel_comes_back(tmp_path, name):
    write_table(tmp_path / "x.csv", VALUES[:, 1:2], [name])
    recording = read_recording(tmp_path / "x.csv")
    assert recording.channel_names == (name,)
    np.testing.assert_array_equal(recording.values, VALUES[:, 1:2])


def test_a_gap_in_a_single_channel_comes_back(tmp_path):
    values = VALUES[:, 1:2].copy()
    values[3] = np.nan
    write_table(tmp_path / "x.csv", values, ["a"])
    np.testing.assert_array_equal(read_recording(tmp_path / "x.csv", missing="mask").values, values)


@pytest.mark.parametrize("name", ["a\0", "\ud800"])
def test_names_that_no_file_can_hold_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="a character that files cannot hold"):
        write_table(tmp_path / "x.csv", VALUES, ["a", "b", name])


@pytest.mark.parametrize(
    ("array", "names", "times", "part"),
    [
        (VALUES[:, 0], ["a"], None, r"shape \(40,\)"),
        (VALUES.astype(str), ["a", "b", "c"], None, "columns of numbers"),
        (VALUES, ["a", "b"], None, "2 names"),
        (VALUES, ["a", "b", "a"], None, "both named"),
        (VALUES, ["a", "b", "c"], np.zeros(40), "do not increase"),
        (VALUES, ["a", "b", "time"], np.arange(40.0), "already named 'time'"),
    ],
)
def test_bad_tables_are_refused(tmp_path, array, names, times, part):
    with pytest.raises(InputError, match=part):
        write_table(tmp_path / "x.csv", array, names, times)
    assert not names_in(tmp_path)


def test_json_of_numpy(tmp_path):
    data = {
        "n": np.int64(3),
        "x": np.float32(0.5),
        "yes": np.bool_(True),
        "a": np.eye(2),
        "µ": Path("a/b"),
        "t": (1, None),
    }
    write_json(tmp_path / "x.json", data)
    back = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert back == {"n": 3, "x": 0.5, "yes": True, "a": [[1.0, 0.0], [0.0, 1.0]], "µ": "a/b", "t": [1, None]}


LOOP: list = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("data", "part"),
    [
        ({"x": np.nan}, "JSON"),
        ({"x": np.array([np.inf])}, "JSON"),
        ({"x": {1, 2}}, "a set has no JSON form"),
        (LOOP, "JSON"),
    ],
)
def test_what_json_cannot_hold(tmp_path, data, part):
    with pytest.raises(StorageError, match=part):
        write_json(tmp_path / "x.json", data)
    assert not names_in(tmp_path)
