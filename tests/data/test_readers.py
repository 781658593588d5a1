"""Every format returns the saved recording; every damaged file raises an explained error."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from stradiff.data import memory, read_recording, regular_rate, write_table
from stradiff.errors import InputError, InsufficientMemoryError, OptionError, ReadError

RNG = np.random.default_rng(0)
VALUES = RNG.standard_normal((50, 3))
NAMES = ("a", "b", "c")


def text(tmp_path, content, name="recording.csv", **options):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_recording(path, **options)


def saved(tmp_path, suffix, **arrays):
    path = tmp_path / f"recording{suffix}"
    np.save(path, arrays["values"]) if suffix == ".npy" else np.savez(path, **arrays)
    return path


# --- text ---------------------------------------------------------------------------------------------

TABLE = np.array([[1.5, 2.0], [3.0, -5.25], [4.0, 4.0]])
LAYOUTS = {
    "commas": "a,b\n1.5,2\n3,-5.25\n4,4\n",
    "semicolons": "a;b\n1.5;2\n3;-5.25\n4;4\n",
    "decimal commas": "a;b\n1,5;2\n3;-5,25\n4;4\n",
    "tabs": "a\tb\n1.5\t2\n3\t-5.25\n4\t4\n",
    "quotes": '"a","b"\n"1.5","2"\n"3","-5.25"\n"4","4"\n',
    "quoted decimal commas": 'a,b\n"1,5",2\n3,"-5,25"\n4,4\n',
    "spaces": " a , b \n 1.5, 2\n 3 ,-5.25\n4, 4 \n",
    "windows line ends": "a,b\r\n1.5,2\r\n3,-5.25\r\n4,4\r\n",
    "old mac line ends": "a,b\r1.5,2\r3,-5.25\r4,4\r",
    "no end of the last line": "a,b\n1.5,2\n3,-5.25\n4,4",
    "blank lines": "\na,b\n\n1.5,2\n3,-5.25\n   \n4,4\n\n",
    "comments before": "# device 7\n# 2 channels\na,b\n1.5,2\n3,-5.25\n4,4\n",
    "delimiter at the line's end": "a;b;\n1.5;2;\n3;-5.25;\n4;4;\n",
    "the same, not in the header": "a;b\n1.5;2;\n3;-5.25;\n4;4;\n",
    "row numbers": ",a,b\n0,1.5,2\n1,3,-5.25\n2,4,4\n",
    "exponents": "a,b\n15e-1,+2\n.3E1,-52.5e-1\n4.,4\n",
    "byte order mark": b"\xef\xbb\xbfa,b\n1.5,2\n3,-5.25\n4,4\n",
    "mixed line ends": "a,b\r\n1.5,2\n3,-5.25\r\n4,4\n",
    "many comments": "# remark\n" * 70 + "a,b\n1.5,2\n3,-5.25\n4,4\n",
    "tabs beside numbers": "a,b\n1.5,\t2\n3\t,-5.25\n4,4\n",
    "utf-16": "a\tb\n1.5\t2\n3\t-5.25\n4\t4\n".encode("utf-16"),
}


@pytest.mark.parametrize("content", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_of_text(tmp_path, content):
    recording = text(tmp_path, content)
    np.testing.assert_array_equal(recording.values, TABLE)
    assert recording.channel_names == ("a", "b")
    assert (recording.times, recording.sampling_rate, recording.time_unit) == (None, None, "samples")
    assert recording.name == "recording"


def test_text_without_header(tmp_path):
    recording = text(tmp_path, "1.5,2\n3,-5.25\n4,4\n")
    np.testing.assert_array_equal(recording.values, TABLE)
    assert recording.channel_names == ("column 1", "column 2")


def test_names_in_other_codes(tmp_path):
    for code in ("utf-8", "latin-1"):
        recording = text(tmp_path, "Brücke µV;b\n1;2\n2;1\n3;3\n".encode(code))
        assert recording.channel_names == ("Brücke µV", "b")


def test_tsv_keeps_commas_for_numbers(tmp_path):
    recording = text(tmp_path, "a\tb\n1,5\t2\n3\t-5,25\n4\t4\n", "recording.TSV")
    np.testing.assert_array_equal(recording.values, TABLE)


def test_whole_numbers_beyond_64_bits(tmp_path):
    recording = text(tmp_path, "a,b\n99999999999999999999,18446744073709551615\n2,-3\n3,3\n")
    np.testing.assert_array_equal(recording.values[0], [1e20, 2.0**64])


def test_the_smallest_and_the_largest_numbers(tmp_path):
    recording = text(tmp_path, "a,b\n5e-324,-1e140\n2.2250738585072014e-308,1e-140\n0e-999,.0e5\n-0.0,1\n1,2\n")
    values = [[5e-324, -1e140], [2.0**-1022, 1e-140], [0, 0], [0, 1], [1, 2]]
    np.testing.assert_array_equal(recording.values, values)


def test_a_name_of_two_lines(tmp_path):
    recording = text(tmp_path, '"a\nb","c\r\nd"\n1.5,2\n3,-5.25\n4,4\n')
    assert recording.channel_names == ("a\nb", "c\r\nd")
    np.testing.assert_array_equal(recording.values, TABLE)


def test_an_empty_cell_in_quotes_is_a_missing_sample(tmp_path):
    recording = text(tmp_path, 'a\n1\n""\n\n4\n', missing="mask")
    np.testing.assert_array_equal(recording.values, [[1], [np.nan], [4]])


@pytest.mark.parametrize("n_columns", [1, 3, 300])
def test_blocks_of_rows_are_put_together(tmp_path, n_columns):
    values = np.random.default_rng(0).integers(0, 9, (2500, n_columns)).astype(float)
    content = "\n".join(",".join(map(str, row)) for row in values)
    np.testing.assert_array_equal(text(tmp_path, content).values, values)
    with pytest.raises(ReadError, match=r"\(line 1\) and [12] \(line 2502\)"):
        text(tmp_path, content + "\n\n1" + (n_columns == 1) * ",1" + "\n")


# --- times --------------------------------------------------------------------------------------------

REGULAR = {
    "seconds": ("time,a\n0,1\n0.25,2\n0.5,5\n", 4.0),
    "an offset": ("t,a\n1700000000.00,1\n1700000000.25,2\n1700000000.50,5\n", 4.0),
    "milliseconds": ("Time [ms];a\n0;1\n250;2\n500;5\n", 4.0),
    "microseconds": ("time_us,a\n0,1\n250000,2\n500000,5\n", 4.0),
    "decimal commas": ("Zeit;a\n0,00;1\n0,25;2\n0,50;5\n", 4.0),
    "dates": ("timestamp,a\n2020-01-31 23:59:59.75,1\n2020-02-01,2\n2020-02-01 00:00:00.25,5\n", 4.0),
    "zones": ("t,a\n2020-10-25T02:30+02:00,1\n2020-10-25T02:00+01:00,2\n2020-10-25T01:30Z,5", 1 / 1800),
    "day first": ("date;a\n31.01.2020 23:59:59,75;1\n01.02.2020 00:00:00;2\n1.2.2020 00:00:00,25;5\n", 4.0),
    "clock": ("time,a\n00:59:59.75,1\n01:00:00,2\n01:00:00.25,5\n", 4.0),
    "not the first column": ("a,seconds\n1,0\n2,0.25\n5,0.5\n", 4.0),
    "no header but dates": ("2020-01-01,1\n2020-01-02,2\n2020-01-03,5\n", 1 / 86400),
    "index of dates": (",a\n2020-01-01,1\n2020-01-02,2\n2020-01-03,5\n", 1 / 86400),
    "index of seconds": (",a\n0.0,1\n0.25,2\n0.5,5\n", 4.0),
}  # fmt: skip


@pytest.mark.parametrize(("content", "rate"), REGULAR.values(), ids=REGULAR)
def test_regular_times_become_a_rate(tmp_path, content, rate):
    recording = text(tmp_path, content)
    assert recording.times is None
    assert recording.sampling_rate == pytest.approx(rate, rel=1e-6)
    assert recording.values.ravel().tolist() == [1, 2, 5]


def test_irregular_times_are_kept(tmp_path):
    recording = text(tmp_path, "time,a\n10,1\n10.5,2\n11.7,5\n")
    np.testing.assert_allclose(recording.times, [0, 0.5, 1.7])
    assert (recording.sampling_rate, recording.time_unit) == (None, "s")


@pytest.mark.parametrize("rounding", [np.round, lambda t, n: np.floor(t * 10**n) / 10**n])
def test_rounded_times_are_regular(rounding):
    assert regular_rate(rounding(np.arange(7000) / 64, 3)) == pytest.approx(64, rel=1e-4)


@pytest.mark.parametrize(
    "times",
    [
        np.delete(np.arange(100) / 64, 50),  # a missing sample, also with rounded times
        np.delete(np.round(np.arange(100) / 64, 3), 98),
        np.delete(np.arange(100.0), 1),
        np.sort(np.random.default_rng(0).random(50)),
        np.arange(100.0) ** 1.01,
    ],
)
def test_gaps_and_drifts_are_not_regular(times):
    assert regular_rate(times) is None


def test_the_time_column_is_an_option(tmp_path):
    content = "x,time\n0,1\n0.5,2\n1,4\n"
    assert text(tmp_path, content, time_column="x").sampling_rate == 2
    assert text(tmp_path, content, time_column=0).channel_names == ("time",)
    without_times = text(tmp_path, content, time_column=False)
    assert (without_times.channel_names, without_times.sampling_rate) == (("x", "time"), None)


def test_a_given_rate_overrides_the_file(tmp_path):
    recording = text(tmp_path, "time,a\n0,1\nbroken,2\n1,5\n", sampling_rate=64)
    assert (recording.sampling_rate, recording.channel_names) == (64.0, ("a",))


def test_a_given_rate_does_not_close_a_gap(tmp_path):
    with pytest.raises(OptionError, match="the times of the table are not regular"):
        text(tmp_path, "time,a\n0,1\n1,2\n2,4\n9,5\n10,3\n", sampling_rate=64)


# --- columns ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (["c", "a"], ("c", "a")),
        ([1], ("b",)),
        ("b", ("b",)),
        (2, ("c",)),
        (["a", 1], ("a", "b")),
        (None, NAMES),
    ],
)
def test_columns(tmp_path, columns, names):
    path = tmp_path / "recording.csv"
    write_table(path, VALUES, NAMES, times=np.arange(50) / 10)
    recording = read_recording(path, columns=columns)
    assert recording.channel_names == names
    np.testing.assert_array_equal(recording.values, VALUES[:, [NAMES.index(name) for name in names]])


def test_columns_that_are_not_selected_may_hold_text(tmp_path):
    recording = text(tmp_path, "a,b,label\n1.5,2,rest\n3,-5.25,rest\n4,4,walk\n", columns=["a", "b"])
    np.testing.assert_array_equal(recording.values, TABLE)


# --- bad text -----------------------------------------------------------------------------------------

BAD_TEXT = {
    "empty": ("", {}, ReadError, ["empty"]),
    "blank": ("\n \n\n", {}, ReadError, ["empty"]),
    "only comments": ("# a\n# b\n", {}, ReadError, ["empty"]),
    "only a header": ("a,b\n", {}, ReadError, ["header", "no sample"]),
    "binary": (bytes(range(256)), {}, ReadError, ["binary"]),
    "text cell": ("a,b\n1,2\n\nx,3\n4,4\n", {}, InputError, ["line 4", "column 'a'", "'x' is not a number"]),
    "text in the first row": ("1,x\n2,2\n3,3\n", {}, InputError, ["line 1", "column 'column 2'", "'x'"]),
    "long text": ("a,b\n1,2\n" + "y" * 500 + ",3\n", {}, InputError, ["'yyyy", "..."]),
    "truth": ("a,b\n1,True\n2,False\n3,True\n", {}, InputError, ["line 2", "'b'", "'True'"]),
    "point among decimal commas": ("a;b\n1,5;2\n2.5;1\n3,0;3\n", {}, InputError, ["line 3", "'2.5'"]),
    "empty cell": ("a,b\n1,2\n,3\n4,4\n", {}, InputError, ["line 3", "'a'", "missing"]),
    "empty last cell": ("a,b\n1,2\n3,\n4,4\n", {}, InputError, ["line 3", "'b'", "missing"]),
    "NA": ("a,b\n1,2\n3,NA\n4,4\n", {}, InputError, ["line 3", "'b'", "missing"]),
    "missing first row": ("NA,NaN\n1,2\n3,4\n", {}, InputError, ["line 1", "missing"]),
    "infinite": ("a,b\n1,2\n3,inf\n4,4\n", {}, InputError, ["line 3", "'b'", "inf"]),
    "overflow": ("a,b\n1,2\n3,1e999\n4,4\n", {}, InputError, ["line 3", "'b'"]),
    "too small": ("a,b\n1,2\n3,1e-400\n4,4\n", {}, InputError, ["line 3", "'1e-400' is not a number that float64"]),
    "too small, written out": ("a,b\n1,2\n3,0." + "0" * 330 + "1\n4,4\n", {}, InputError, ["line 3", "'b'", "float64"]),
    "too large": ("a,b\n1,2\n3,-1e400\n4,4\n", {}, InputError, ["line 3", "'-1e400' is not a number that float64"]),
    "no-break space": ("a,b\n1,2\n3,\xa04\n4,4\n", {}, InputError, ["line 3", "'b'", r"'\xa04' is not a number"]),
    "thin space": ("a,b\n1,2\n3,4\u2009\n4,4\n", {}, InputError, ["line 3", "'b'", r"'4\u2009' is not a number"]),
    "other space": ("a,b\n1,2\n3,\x0b4\n4,4\n", {}, InputError, ["line 3", "'b'", r"'\x0b4' is not a number"]),
    "such a space in the first row": ("\xa01\n2\n4\n", {}, InputError, ["line 1", r"'\xa01' is not a number"]),
    "break inside a cell": ('a,b\n1,2\n3,"4\n5"\n4,4\n', {}, InputError, ["line 3", "'b'", r"'4\n5' is not a number"]),
    "after such a cell": ('"a\n1",b\n1,2\n\n3,x\n4,4\n', {}, InputError, ["line 5", "'b'", "'x' is not a number"]),
    "underscore": ("a,b\n1,2\n3,1_000\n4,4\n", {}, InputError, ["line 3", "'b'", "'1_000' is not a number"]),
    "Arabic digits": ("a,b\n1,2\n3,\u0663\n4,4\n", {}, InputError, ["line 3", "'b'", "'\u0663' is not a number"]),
    "full-width digits": ("\uff11\n2\n3\n", {}, InputError, ["line 1", "'column 1'", "'\uff11' is not a number"]),
    "hexadecimal": ("0x10\n2\n3\n", {}, InputError, ["line 1", "'column 1'", "'0x10' is not a number"]),
    "Fortran's exponent": ("1d5\n2\n3\n", {}, InputError, ["line 1", "'column 1'", "'1d5' is not a number"]),
    "two signs": ("+-1\n2\n3\n", {}, InputError, ["line 1", "'column 1'", "'+-1' is not a number"]),
    "thousands": ("a\n1 000\n2\n3\n", {}, InputError, ["line 2", "'a'", "'1 000' is not a number"]),
    "NUL": ("a\n1\n" + "2\n" * 60 + "3\0\n", {}, InputError, ["line 63", "'a'", r"'3\x00' is not a number"]),
    "byte order mark inside": ("a\n1\n\ufeff2\n3\n", {}, InputError, ["line 3", "'a'", r"'\ufeff2' is not a number"]),
    "carriage return inside": ("a\n1\n2\r3\n4\n", {}, ReadError, ["line 3", "ends in another way"]),
    "closed quote goes on": ('a,b\n1,2\n3,"4"5\n4,4\n', {}, ReadError, ["line 3", "quotes"]),
    "other bytes far down": (b"a\n1\n" + b"2\n" * 600_000 + b"\xff\n", {}, ReadError, ["not text in utf-8", "UTF-8"]),
    "short row": ("a,b\n1,2\n\n3\n4,4\n", {}, ReadError, ["2 cells (line 2)", "1 (line 4)"]),
    "long row": ("a,b\n1,2\n3,3,3\n4,4\n", {}, ReadError, ["2 cells (line 2)", "3 (line 3)"]),
    "one cell": ("a\n1\n2,3\n4\n", {}, ReadError, ["rows have 1 cell (line 2) and 2 (line 3)"]),
    "text, then missing": ("a,b\n1,2\n1,x\n,y\n", {}, InputError, ["line 3", "'b'", "'x' is not", "(2 such cells in"]),
    "short header": ("a,b\n1,2,3\n3,3,3\n4,4,5\n5,5,7\n", {}, ReadError, ["2 names", "3 cells"]),
    "open quote": ('a,b\n1,"2\n3,4\n5,5\n', {}, ReadError, ["line 2", "quotes"]),
    "repeated name": ("a,a\n1,2\n2,3\n3,5\n", {}, InputError, ["Channels 1 and 2 are both named 'a'"]),
    "constant": ("a,b\n1,2\n1,3\n1,5\n", {}, InputError, ["'a'", "constant"]),
    "one sample": ("a\n1\n", {}, InputError, ["n_samples = 1"]),
    "transposed": ("1,2,3,4\n5,6,7,9\n", {}, InputError, ["2 x 4", "transpose"]),
    "repeated time": ("time,a\n0,1\n1,2\n1,3\n", {}, InputError, ["line 4", "'time'", "time_column=False"]),
    "time runs back": ("time,a\n0,1\n2,2\n1,3\n", {}, InputError, ["line 4", "1 follows 2", "sort"]),
    "broken time": ("time,a\n0,1\nlater,2\n1,3\n", {}, InputError, ["line 3", "'later' is not a time"]),
    "infinite time": ("time,a\ninf,1\n2,2\n3,5\n", {}, InputError, ["line 2", "'inf' is not a time"]),
    "missing time": ("time,a\n0,1\n,2\n1,3\n", {}, InputError, ["line 3", "'time'"]),
    "date with slashes": ("time,a\n1/2/2020,1\n1/3/2020,2\n", {}, InputError, ["line 2", "2020-12-31"]),
    "mixed times": ("time,a\n2020-01-01,1\n3,2\n", {}, InputError, ["line 3", "'3'"]),
    "only times": ("time\n0\n1\n2\n", {}, InputError, ["only column", "time_column=False"]),
    "unknown time column": ("x,a\n0,1\n1,2\n", {"time_column": "t"}, InputError, ["no 't'", "x, a"]),
    "unknown column": ("a,b\n1,2\n2,1\n3,3\n", {"columns": ["a", "z"]}, InputError, ["no 'z'", "a, b"]),
    "position too large": ("a,b\n1,2\n2,1\n3,3\n", {"columns": [2]}, InputError, ["no 2", "0 to 1"]),
    "negative position": ("a,b\n1,2\n2,1\n3,3\n", {"columns": [-1]}, InputError, ["no -1"]),
    "no column": ("a,b\n1,2\n2,1\n3,3\n", {"columns": []}, InputError, ["columns is empty"]),
    "the same column twice": ("a,b\n1,2\n2,1\n3,3\n", {"columns": ["a", 0]}, InputError, ["the channel 'a' twice"]),
    "rate of zero": ("a,b\n1,2\n2,1\n3,3\n", {"sampling_rate": 0}, InputError, ["sampling_rate=0"]),
}  # fmt: skip


@pytest.mark.parametrize(("content", "options", "error", "parts"), BAD_TEXT.values(), ids=BAD_TEXT)
def test_bad_text_is_explained(tmp_path, content, options, error, parts):
    with pytest.raises(error) as caught:
        text(tmp_path, content, **options)
    message = str(caught.value)
    assert type(caught.value) is error
    assert not [part for part in ["recording.csv", *parts] if part not in message], message


# --- arrays -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", ">f8", "int16", "uint8"])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays(tmp_path, suffix, dtype):
    values = (100 + 50 * VALUES).astype(dtype)
    recording = read_recording(saved(tmp_path, suffix, values=values))
    np.testing.assert_array_equal(recording.values, values)
    assert recording.values.dtype == (np.float32 if dtype == "float32" else np.float64)
    assert recording.channel_names == ("channel 1", "channel 2", "channel 3")


def test_fortran_order(tmp_path):
    recording = read_recording(saved(tmp_path, ".npy", values=np.asfortranarray(VALUES)))
    np.testing.assert_array_equal(recording.values, VALUES)


def test_one_dimension_is_one_channel(tmp_path):
    assert read_recording(saved(tmp_path, ".npy", values=VALUES[:, 0])).values.shape == (50, 1)


def test_an_archive_with_everything(tmp_path):
    beside = {"sampling_rate": 64, "channel_names": np.array(NAMES), "units": "mV", "other": np.zeros(3)}
    recording = read_recording(saved(tmp_path, ".npz", values=VALUES, **beside))
    assert (recording.sampling_rate, recording.channel_names, recording.units) == (64.0, NAMES, "mV")
    times = np.cumsum(RNG.random(50) + 0.1)
    recording = read_recording(saved(tmp_path, ".npz", values=VALUES, times=times))
    np.testing.assert_allclose(recording.times, times - times[0])
    assert read_recording(saved(tmp_path, ".npz", Y=VALUES, times=np.arange(50) / 4)).sampling_rate == 4


@pytest.mark.parametrize("key", ["values", "Y", "data", "anything"])
def test_names_of_the_array(tmp_path, key):
    path = tmp_path / "recording.npz"
    np.savez(path, sampling_rate=2.0, **{key: VALUES})
    np.testing.assert_array_equal(read_recording(path).values, VALUES)


with np.errstate(over="ignore"):
    BEYOND_FLOAT64 = np.longdouble(2) ** 2000  # inf where there is no longer type

BAD_ARRAYS = {
    "complex": (VALUES * 1j, InputError, "Complex"),
    "booleans": (VALUES > 0, InputError, "True and False"),
    "text": (np.array(["a", "b"]), InputError, "not numbers"),
    "fields": (np.zeros(4, [("a", "f4")]), InputError, "not numbers"),
    "one number": (np.float64(3), InputError, r"shape \(\)"),
    "three dimensions": (VALUES[None], InputError, r"\(1, 50, 3\)"),
    "transposed": (VALUES.T, InputError, "transpose"),
    "no channel": (VALUES[:, :0], InputError, "no channel"),
    "nan": (np.where(np.arange(50)[:, None] == 9, np.nan, VALUES), InputError, "NaN, first at row 9"),
    "beyond float64": (np.full((9, 2), BEYOND_FLOAT64), InputError, "inf, first at row 0"),
    "pickled": (np.array([{"a": 1}, {}], dtype=object), ReadError, "pickled"),
}


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize(("values", "error", "part"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_bad_arrays_are_explained(tmp_path, values, error, part, suffix):
    with pytest.raises(error, match=rf"recording\{suffix}: .*{part}"):
        read_recording(saved(tmp_path, suffix, values=values))


@pytest.mark.parametrize(
    ("beside", "part"),
    [
        ({"sampling_rate": [1.0, 2.0]}, r"sampling_rate has shape \(2,\)"),
        ({"sampling_rate": "fast"}, "sampling_rate='fast' must be"),
        ({"units": ["mV", "V"]}, r"units has shape \(2,\)"),
        ({"channel_names": ["a", "b"]}, "2 names, but there are 3"),
        ({"channel_names": ["a", "b", "b"]}, "both named 'b'"),
        ({"times": np.zeros(50)}, "do not increase at row 1"),
        ({"times": np.arange(49)}, "50 samples"),
    ],
)
def test_bad_company_is_explained(tmp_path, beside, part):
    with pytest.raises(InputError, match=part):
        read_recording(saved(tmp_path, ".npz", values=VALUES, **beside))


def test_an_archive_of_several_arrays_lists_them(tmp_path):
    path = tmp_path / "recording.npz"
    np.savez(path, left=VALUES, right=VALUES)
    with pytest.raises(InputError, match="holds left, right; name the array to read 'values'"):
        read_recording(path)


# --- sound --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "full_scale", "middle"),
    [("int16", 2**15, 0), ("int32", 2**31, 0), ("uint8", 2**7, 2**7), ("float32", 1, 0), ("float64", 1, 0)],
)
@pytest.mark.parametrize("n_channels", [1, 2])
def test_sound(tmp_path, dtype, full_scale, middle, n_channels):
    path = tmp_path / "recording.wav"
    fraction = np.tanh(VALUES[:, :n_channels])
    stored = (fraction * full_scale * 0.9 + middle).astype(dtype)
    wavfile.write(path, 8000, stored[:, 0] if n_channels == 1 else stored)
    recording = read_recording(path)
    np.testing.assert_array_equal(recording.values, (stored.astype(recording.values.dtype) - middle) / full_scale)
    assert recording.values.shape == (50, n_channels)
    assert np.abs(recording.values).max() < 1
    assert (recording.sampling_rate, recording.time_unit) == (8000.0, "s")


def test_unknown_chunks_of_sound_are_skipped(tmp_path):
    path = tmp_path / "recording.wav"
    wavfile.write(path, 8000, (VALUES * 1000).astype(np.int16))
    whole = path.read_bytes()
    extra = b"abcd" + (4).to_bytes(4, "little") + b"1234"
    size = (len(whole) + len(extra) - 8).to_bytes(4, "little")
    path.write_bytes(whole[:4] + size + whole[8:36] + extra + whole[36:])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert read_recording(path).n_samples == 50
    assert not caught


# --- damage -------------------------------------------------------------------------------------------


def files(folder: Path) -> list[Path]:
    """One good file of every binary format."""
    wavfile.write(folder / "x.wav", 8000, (VALUES * 1000).astype(np.int16))
    np.save(folder / "x.npy", VALUES)
    np.savez(folder / "x.npz", values=VALUES)
    return sorted(folder.iterdir())


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.99])
def test_truncated_files_are_refused(tmp_path, part):
    for path in files(tmp_path):
        content = path.read_bytes()
        path.write_bytes(content[: int(part * len(content))])
        with pytest.raises(ReadError, match=rf"x\{path.suffix}: "):
            read_recording(path)


def test_a_file_under_another_suffix_is_refused(tmp_path):
    contents = {path.suffix: path.read_bytes() for path in files(tmp_path)}
    for suffix in (*contents, ".csv", ".tsv"):
        for other, content in contents.items():
            if other != suffix:
                path = tmp_path / f"y{suffix}"
                path.write_bytes(content)
                with pytest.raises(ReadError):
                    read_recording(path)


@pytest.mark.parametrize("name", ["recording.txt", "recording", "recording.csv.gz"])
def test_unknown_suffixes_list_the_known(tmp_path, name):
    with pytest.raises(ReadError, match=r"not known; use one of \.csv, \.tsv, \.npy, \.npz, \.wav"):
        text(tmp_path, "a,b\n1,2\n", name)


def test_paths_that_are_no_files(tmp_path):
    with pytest.raises(ReadError, match="no such file"):
        read_recording(tmp_path / "none.csv")
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    with pytest.raises(ReadError, match="not a file"):
        read_recording(folder)


@pytest.mark.parametrize(("error", "part"), [(PermissionError(13, "no"), "permitted"), (OSError(5, "I/O"), "I/O")])
def test_the_operating_system_refuses(tmp_path, monkeypatch, error, part):
    def refuse(*_, **__):
        raise error

    path = tmp_path / "recording.csv"
    path.write_text("a,b\n1,2\n")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ReadError, match=rf"recording\.csv: .*{part}"):
        read_recording(path)


def test_files_larger_than_the_memory_are_refused(tmp_path, monkeypatch):
    write_table(tmp_path / "x.csv", VALUES, NAMES)
    monkeypatch.setattr(memory, "available_memory", lambda: 100)
    for path in files(tmp_path):
        with pytest.raises(InsufficientMemoryError, match=f"Reading {path.name} needs"):
            read_recording(path)
