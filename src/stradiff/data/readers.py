"""Readers of recordings, one function per format, selected by the suffix of the file.

A new format is a function ``(path) -> Contents`` and an entry of ``READERS``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from stradiff.data.arrays import Archive, read_array
from stradiff.data.audio import read_wav
from stradiff.data.checks import check_sampling_rate, check_text
from stradiff.data.contents import Columns, Contents, TimeColumn, contents_of_array, to_recording
from stradiff.data.headers import listed
from stradiff.data.recording import Recording
from stradiff.data.text import read_text
from stradiff.errors import InputError, InsufficientMemoryError, ReadError, shortened


def read_recording(
    path: str | os.PathLike[str],
    *,
    sampling_rate: float | int | None = None,
    time_column: TimeColumn = None,
    columns: Columns = None,
    missing: str = "refuse",
) -> Recording:
    r"""Read a recording from a file; rows are samples, columns are channels.

    ========  ==============================================================================================
    suffix    content
    ========  ==============================================================================================
    .csv      text with commas, semicolons or tabs; decimal point or comma; with or without a header line; lines
              that start with ``#`` before the data are skipped, and so is an unnamed first column of row numbers
    .tsv      the same with tabs
    .npy      one array ``(T, m)`` or ``(T,)``
    .npz      one array, or one named ``values``, ``Y`` or ``data``; optional ``times``, ``sampling_rate``,
              ``channel_names`` and ``units``
    .wav      PCM scaled to [-1, 1), or floats; one or more channels
    ========  ==============================================================================================

    Every cell of text is read as the nearest float64, or refused with its line. In a header, the apostrophe that
    :func:`write_table` puts before ``=...``, ``-...`` or ``1`` is taken off.

    Times are in seconds since the first sample. Evenly spaced ones (:func:`regular_rate`) become a sampling rate.

    Parameters
    ----------
    path : path
    sampling_rate : float, optional
        Samples per second; overrides the time information of the file.
    time_column : str, int or False, optional
        Name or position (from 0) of the time column. By default a column named ``time``, ``t``, ``timestamp``,
        ``datetime``, ``date`` or ``seconds``, with or without a unit (``time_ms``, ``t [s]``); False reads such a
        column as a channel.
    columns : list of str or int, optional
        Channels to keep, by name or by position among the channels (from 0, the time column not counted).
    missing : {"refuse", "mask"}
        Whether missing values (empty cells, ``NA``, ``NaN``, ``null``, ``-``) are an error or become NaN.

    Returns
    -------
    Recording
        Named after the file.

    Raises
    ------
    ReadError
        The file is missing, a folder, not permitted, of an unknown suffix, empty, damaged or ragged, or claims to hold
        what it does not.
    InputError
        Its content is not a valid :class:`Recording`, or has at least as many channels as samples, as of a transposed
        table.
    InsufficientMemoryError
        The recording does not fit into memory.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "two.csv"
    ...     _ = path.write_text("time,a,b\n0.0,1,5\n0.5,2,4\n1.0,4,4\n")
    ...     recording = read_recording(path)
    >>> recording.sampling_rate, recording.channel_names
    (2.0, ('a', 'b'))
    """
    path = Path(path)
    # Numbers beyond float64, and differences of infinite ones, become inf or NaN, and these are refused.
    with _named_errors(path), np.errstate(over="ignore", invalid="ignore"):
        contents = _reader_of(path)(path)
        return to_recording(contents, path.stem, sampling_rate, time_column, columns, missing)


def read_npy(path: Path) -> Contents:
    """One array without pickled objects."""
    with path.open("rb") as file:
        return contents_of_array(read_array(file, path.stat().st_size, f"Reading {path.name}", "observations"))


def read_npz(path: Path) -> Contents:
    """The array of an archive and its metadata."""
    with path.open("rb") as file:
        archive = Archive(file, path)
        key = _key_of_values(archive.names)
        single = {name: archive.read(name) for name in _METADATA if name in archive.names}
        times = archive.read("times", "times") if "times" in archive.names else None
        values = archive.read(key, "observations")
    rate, units = (_single(single[name], name) if name in single else None for name in ("sampling_rate", "units"))
    return contents_of_array(
        values,
        [str(name) for name in single["channel_names"].ravel()] if "channel_names" in single else None,
        times=times,
        sampling_rate=None if rate is None else check_sampling_rate(rate),
        units=None if units is None else check_text(str(units), "units"),
    )


READERS: dict[str, Callable[[Path], Contents]] = {
    ".csv": read_text,
    ".tsv": partial(read_text, delimiters=("\t",)),
    ".npy": read_npy,
    ".npz": read_npz,
    ".wav": read_wav,
}

_METADATA = ("sampling_rate", "channel_names", "units")


def _reader_of(path: Path) -> Callable[[Path], Contents]:
    if not path.exists():
        raise ReadError("there is no such file; check the path.")
    if not path.is_file():
        raise ReadError("this is a folder or a device, not a file; name one file.")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ReadError(f"the suffix {shortened(path.suffix)} is not known; use one of {', '.join(READERS)}.")
    return reader


def _single(array: np.ndarray, name: str) -> object:
    if array.size != 1:
        raise InputError(f"{name} has shape {array.shape}; save a single value.")
    return array.item()


def _key_of_values(keys: list[str]) -> str:
    known = [key for key in ("values", "Y", "data") if key in keys]
    others = [key for key in keys if key not in (*_METADATA, "times")]
    if known or len(others) == 1:
        return (known or others)[0]
    raise InputError(f"the archive holds {listed(keys) or 'nothing'}; name the array to read 'values'.")


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """Prefix errors with the path, and convert those of the operating system."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{path}: {error}") from error
    except InsufficientMemoryError:
        raise
    except MemoryError as error:
        raise InsufficientMemoryError(f"{path}: there is not enough memory to read it; use a shorter file.") from error
    except PermissionError as error:
        raise ReadError(f"{path}: reading is not permitted; change the permissions of the file.") from error
    except OSError as error:
        raise ReadError(f"{path}: the file cannot be read: {error.strerror or error}.") from error
