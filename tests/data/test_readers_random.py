"""Whatever a file holds, reading it gives a valid recording or one of our sentences."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.io import wavfile

from stradiff.data import READERS, Recording, check_observations, read_recording, write_table
from stradiff.errors import InputError, StrADiffError

VALUES = np.random.default_rng(0).standard_normal((20, 2))


def read(content: bytes, suffix: str, **options) -> Recording | None:
    """The recording, checked; None when it was refused with a sentence."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{suffix}"
        path.write_bytes(content)
        try:
            recording = read_recording(path, **options)
        except StrADiffError as error:
            assert "x" + suffix in str(error)
            assert "\n" not in str(error)
            return None
    assert np.isfinite(recording.values).all()
    assert recording.values.shape == (recording.n_samples, len(recording.channel_names))
    assert np.all(np.diff(recording.time_axis) > 0)
    assert recording.duration > 0
    return recording


@pytest.mark.parametrize("suffix", READERS)
@settings(max_examples=40)
@given(content=st.binary(max_size=300))
@example(content=b"")
def test_random_bytes(suffix, content):
    read(content, suffix)


def good_files() -> dict[str, bytes]:
    contents = {}
    for suffix, write in {
        ".npy": lambda file: np.save(file, VALUES),
        ".npz": lambda file: np.savez(file, values=VALUES, sampling_rate=2.0, channel_names=["a", "b"]),
        ".wav": lambda file: wavfile.write(file, 100, VALUES.astype(np.float32)),
        ".csv": lambda file: file.write(b"time,a,b\n0,1,2\n1,2,1\n2,5,5\n3,1,4\n"),
        ".tsv": lambda file: file.write(b"a\tb\n1,5\t2\n2,0\t1\n5,5\t5\n"),
    }.items():
        write(buffer := io.BytesIO())
        contents[suffix] = buffer.getvalue()
    return contents


@pytest.mark.parametrize(("suffix", "content"), good_files().items())
@settings(max_examples=60)
@given(data=st.data())
def test_damaged_files(suffix, content, data):
    """Some bytes replaced, then perhaps the end cut off."""
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        # Headers are short and stand in front, except the directory of an archive: look there more often.
        place = data.draw(st.one_of(st.integers(0, min(130, len(content) - 1)), st.integers(0, len(content) - 1)))
        damaged[place] = data.draw(st.integers(0, 255))
    read(bytes(damaged[: data.draw(st.integers(len(content) // 2, len(content)))]), suffix)
    read(bytes(damaged), suffix)


CELLS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True).map(repr),
    st.integers(-(10**25), 10**25).map(str),
    st.sampled_from(
        ["", " ", "NA", "nan", "-inf", "1,5", "1.5", "1e5", "1e400", "1e-400", "True", "x", "٣", '"', '"1"',
         "0x1F", "1_0", "#", "time", "t", "12:00:00", "12:00:01.5", "2020-01-01", "9999-12-31", "0001-01-01",
         "31.12.2020", "2020-13-45"]
    ),
    st.text(max_size=4),
)  # fmt: skip


@settings(max_examples=150)
@given(
    rows=st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=8),
    delimiter=st.sampled_from([",", ";", "\t", " "]),
    end=st.sampled_from(["\n", "\r\n", "\r", "\n\n"]),
    suffix=st.sampled_from([".csv", ".tsv"]),
    code=st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]),
    options=st.sampled_from([{}, {"time_column": 0}, {"time_column": False}, {"columns": [0]}, {"sampling_rate": 2.0}]),
)
def test_odd_tables(rows, delimiter, end, suffix, code, options):
    content = end.join(delimiter.join(row) for row in rows).encode(code, "replace")
    read(content, suffix, **options)


TIMES = st.one_of(
    st.floats().map(repr),
    st.datetimes().map(str),
    st.datetimes().map(lambda t: t.strftime("%d.%m.%Y %H:%M:%S")),
    st.times().map(str),
)


@settings(max_examples=80)
@given(times=st.lists(TIMES, min_size=2, max_size=6), in_order=st.booleans())
@example(times=["0001-01-01 00:00:00", "9999-12-31 00:00:00"], in_order=True)
@example(times=["0", "5e-324"], in_order=True)
@example(times=["-1.7e308", "1.7e308"], in_order=True)
def test_odd_times(times, in_order):
    rows = [f"{time};{k * k}" for k, time in enumerate(sorted(times) if in_order else times)]
    read(("time;a\n" + "\n".join(rows)).encode(), ".csv")


SHAPES = st.tuples(st.integers(3, 8), st.integers(1, 2))
TABLES = SHAPES.flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(allow_nan=False, allow_infinity=False))
)
NAMES = st.lists(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=6)
    | st.sampled_from(
        ["=1+1", "+1", "-", "@x", "'", "''=", "1", "nan", "1e5", "time", "#", "\ufeff", "a\r\nb", "a,b;c", '"']
    ),
    min_size=2,
    max_size=2,
    unique=True,
)


def files_of(values: np.ndarray, names: list[str], folder: Path) -> Iterator[Path]:
    """The same recording in every format."""
    table, archive, array, audio = (folder / f"x{suffix}" for suffix in (".csv", ".npz", ".npy", ".wav"))
    write_table(table, values, names)
    np.savez(archive, values=values, channel_names=np.array(names))
    np.save(array, values)
    wavfile.write(audio, 100, values)
    yield from (table, archive, array, audio)


@settings(max_examples=150)
@given(values=TABLES, names=NAMES)
@example(values=np.array([[5e-324], [1e-140], [-1e140]]), names=["=cmd()", "b"])
def test_what_is_written_is_read(values, names):
    """Any numbers and names come back exactly, or are refused just as the array is."""
    names = names[: values.shape[1]]
    try:
        check_observations(values)
    except InputError:
        refused = True
    else:
        refused = False
    with tempfile.TemporaryDirectory() as folder:
        for path in files_of(values, names, Path(folder)):
            if refused:
                with pytest.raises(InputError):
                    read_recording(path, time_column=False)
                continue
            recording = read_recording(path, time_column=False)
            np.testing.assert_array_equal(recording.values, values, strict=True)
            if path.suffix in (".csv", ".npz"):
                assert [name.rstrip("\0") for name in recording.channel_names] == names


@settings(max_examples=200)
@given(
    cell=st.one_of(
        st.text("0123456789.,eE+-_ \u00a0\t", max_size=8),
        st.floats().map(repr),
        st.integers(-(10**400), 10**400).map(str),
        st.tuples(st.integers(0, 10**20), st.integers(-400, 400)).map(lambda parts: f"{parts[0]}e{parts[1]}"),
    )
)
def test_a_cell_is_the_nearest_number_or_refused(cell):
    """Beside Python's own exact arithmetic."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        path.write_text(f'a;b\n"{cell}";0\n7;1.25\n1e50;2\n', encoding="utf-8")
        try:
            number = read_recording(path).values[0, 0]
        except InputError:
            return
    exact = Fraction(cell.strip(" \t"))
    assert number == float(exact)
    assert (number == 0) == (exact == 0)
