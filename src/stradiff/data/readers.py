"""Readers of recordings, one function per format, selected by the suffix of the file.

A new format is a function ``(path) -> Contents`` and an entry of ``READERS``.
"""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from zipfile import is_zipfile

import numpy as np
from scipy.io import wavfile

from stradiff.data.checks import check_sampling_rate
from stradiff.data.contents import Columns, Contents, TimeColumn, contents_of_array, parsing, to_recording
from stradiff.data.memory import check_memory
from stradiff.data.recording import Recording
from stradiff.data.text import read_text
from stradiff.errors import InputError, InsufficientMemoryError, ReadError


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
        The file is missing, a folder, not permitted, of an unknown suffix, empty, damaged or ragged.
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
    with _named_errors(path):
        contents = _reader_of(path)(path)
        return to_recording(contents, path.stem, sampling_rate, time_column, columns, missing)


def read_npy(path: Path) -> Contents:
    """One array without pickled objects."""
    with parsing():
        array = np.lib.format.open_memmap(path, mode="r")
    check_memory(3 * array.size * 8, f"Reading {path.name}")
    return contents_of_array(np.array(array))


def read_npz(path: Path) -> Contents:
    """The array of an archive and its metadata."""
    if not is_zipfile(path):
        raise ReadError("the archive is truncated or was not written by numpy.savez; save it again.")
    # Opened here because numpy does not close an archive with a damaged directory.
    with parsing(), path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        key = _key_of_values(archive.files)
        check_memory(5 * sum(entry.file_size for entry in archive.zip.infolist()), f"Reading {path.name}")
        metadata = {name: archive[name] for name in _METADATA if name in archive.files}
        values = archive[key]
    rate, units = (_single(metadata[name], name) if name in metadata else None for name in ("sampling_rate", "units"))
    return contents_of_array(
        values,
        [str(name) for name in metadata["channel_names"].ravel()] if "channel_names" in metadata else None,
        times=metadata.get("times"),
        sampling_rate=None if rate is None else check_sampling_rate(rate),
        units=None if units is None else str(units),
    )


def read_wav(path: Path) -> Contents:
    """Audio; integers are scaled to fractions of full scale."""
    check_memory(9 * path.stat().st_size, f"Reading {path.name}")  # 8 bits per sample become 64, in addition to the 8
    with parsing(), warnings.catch_warnings():
        warnings.simplefilter("error", wavfile.WavFileWarning)  # a truncated file
        warnings.filterwarnings("ignore", "Chunk .non-data. not understood", wavfile.WavFileWarning)
        try:
            rate, samples = wavfile.read(path)
        except (ValueError, struct.error, wavfile.WavFileWarning) as error:
            raise ReadError("the audio is shorter than its header says, or damaged; copy it again.") from error
    if samples.dtype.kind in "iu":
        full_scale = 2.0 ** (8 * samples.dtype.itemsize - 1)
        zero = full_scale if samples.dtype.kind == "u" else 0.0  # 8-bit audio is unsigned, with its zero at 128
        samples = (samples - zero) / full_scale
    return contents_of_array(samples, sampling_rate=float(rate))


READERS: dict[str, Callable[[Path], Contents]] = {
    ".csv": read_text,
    ".tsv": partial(read_text, delimiters=("\t",)),
    ".npy": read_npy,
    ".npz": read_npz,
    ".wav": read_wav,
}

_METADATA = ("times", "sampling_rate", "channel_names", "units")


def _reader_of(path: Path) -> Callable[[Path], Contents]:
    if not path.exists():
        raise ReadError("there is no such file; check the path.")
    if not path.is_file():
        raise ReadError("this is a folder or a device, not a file; name one file.")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ReadError(f"the suffix {path.suffix!r} is not known; use one of {', '.join(READERS)}.")
    return reader


def _single(array: np.ndarray, name: str) -> object:
    if array.size != 1:
        raise InputError(f"{name} has shape {array.shape}; save a single value.")
    return array.item()


def _key_of_values(keys: list[str]) -> str:
    known = [key for key in ("values", "Y", "data") if key in keys]
    others = [key for key in keys if key not in _METADATA]
    if known or len(others) == 1:
        return (known or others)[0]
    raise InputError(f"the archive holds {', '.join(keys) or 'nothing'}; name the array to read 'values'.")


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
