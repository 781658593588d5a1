"""Writers of results; a file is written completely or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

import numpy as np
import pandas as pd

from stradiff.data.checks import check_channel_names, check_times
from stradiff.data.headers import header_cell
from stradiff.errors import InputError, StorageError
from stradiff.files import atomic_path


def write_table(
    path: str | os.PathLike[str],
    array: np.ndarray,
    column_names: Sequence[str],
    times: np.ndarray | None = None,
) -> None:
    """A table as CSV with a header; an existing file is replaced. Numbers and names are read back exactly.

    A name that a spreadsheet would run as a formula (``=...``, ``+...``, ``-...``, ``@...``), or that would be taken
    for a sample (``1``, ``nan``), is written behind an apostrophe, which :func:`read_recording` takes off again.

    Parameters
    ----------
    path : path
    array : ndarray, shape (T, k)
    column_names : sequence of str
        ``k`` unique names.
    times : ndarray, shape (T,), optional
        Seconds, written as the first column, ``time``, which :func:`read_recording` recognises.

    Raises
    ------
    InputError
        The array is no table of numbers, the number of names or times is not that of its columns or rows, or names
        repeat.
    StorageError
        The file cannot be written.
    """
    array = np.asarray(array)
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise InputError(
            f"A table has rows and columns of numbers, but the array has shape {array.shape} and type {array.dtype}."
        )
    names = list(check_channel_names(column_names, array.shape[1]))
    frame = pd.DataFrame(array)
    if times is not None:
        if "time" in names:
            raise InputError("A column is already named 'time'; rename it to write the times beside it.")
        frame.insert(0, "time", check_times(times, len(array)))
    header = [*(["time"] if times is not None else []), *map(header_cell, names)]
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(header) + "\n")
        frame.to_csv(file, index=False, header=False, lineterminator="\n")


def write_json(path: str | os.PathLike[str], data: object) -> None:
    """Readable JSON; NumPy numbers and arrays become numbers and lists, paths become strings.

    Raises
    ------
    StorageError
        A value has no JSON form (NaN and inf have none), or the file cannot be written.
    """
    try:
        text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False, default=_json_value)
    except (TypeError, ValueError, RecursionError) as error:
        raise StorageError(f"{path} cannot be written as JSON: {error}.") from error
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _json_value(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"a {type(value).__name__} has no JSON form")
