"""Contents of a file and their conversion to a recording: the part of reading that all formats share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from stradiff.data.checks import (
    RowLabel,
    array_row,
    as_float_array,
    check_channel_names,
    check_observations,
    check_sampling_rate,
    check_times,
)
from stradiff.data.missing import check_missing
from stradiff.data.recording import Recording
from stradiff.data.times import regular_rate, seconds_per_unit, to_seconds
from stradiff.errors import InputError, OptionError, ReadError, shortened

TimeColumn = str | int | Literal[False] | None
Columns = Sequence[str | int] | str | int | None

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-"})
"""Notations of a missing value, in lower case."""


@dataclass(frozen=True, eq=False)
class Contents:
    """The result of a reader: columns of numbers or text, and the time information of the file."""

    columns: pd.DataFrame
    times: np.ndarray | None = None
    """(T,) seconds"""
    time_position: int | None = None
    """The time column, where its position and not its name determines it."""
    sampling_rate: float | None = None
    units: str | None = None
    decimal: str = "."
    row_label: RowLabel = array_row
    """Describes the place of a sample in the file."""


@contextmanager
def parsing() -> Iterator[None]:
    """Context of third-party parsers: any exception becomes a ``ReadError``."""
    try:
        yield
    except (InputError, OSError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:160].rstrip(".") or type(error).__name__
        if "allow_pickle" in reason or "Python objects" in reason:
            reason = "it holds pickled Python objects, which could run code; save plain numbers"
        if "mmap length" in reason:
            reason = "it is shorter than its header says; copy it again"
        raise ReadError(f"the file is damaged or not of its suffix's format: {reason}.") from error


def contents_of_array(values: Any, channel_names: Sequence[str] | None = None, **others: Any) -> Contents:
    """Contents of an array ``(T, m)``, or ``(T,)`` of one channel."""
    array = as_float_array(values)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise InputError(f"The array has shape {array.shape}; save it as 2-D, (samples, channels).")
    names = list(check_channel_names(channel_names, array.shape[1]))
    return Contents(pd.DataFrame(array, columns=names, copy=False), **others)


def to_recording(
    contents: Contents,
    name: str,
    sampling_rate: float | int | None,
    time_column: TimeColumn,
    columns: Columns,
    missing: str = "refuse",
) -> Recording:
    """Recording of the selected columns; see :func:`read_recording` for the rules."""
    time_position = _time_position(contents, time_column)
    channels = [j for j in range(contents.columns.shape[1]) if j != time_position]
    selected = _selected(contents.columns.columns, channels, columns)
    names = check_channel_names([str(contents.columns.columns[j]) for j in selected], len(selected))
    values = _values(contents, selected, check_missing(missing))
    n_samples, n_channels = values.shape
    if n_channels > 1 and n_samples <= n_channels:
        raise InputError(
            f"The table has {n_samples} x {n_channels} cells (rows x channels), but rows must be samples; "
            "transpose it, or choose fewer channels with columns=."
        )
    values = check_observations(values, channel_names=names, missing=missing, row_label=contents.row_label)
    if sampling_rate is not None and time_column not in (None, False):
        raise OptionError("time_column= and sampling_rate= both say when the samples were taken; give one of them.")
    if sampling_rate is None:
        times, rate = _time_base(contents, time_position)
    else:
        times, rate = None, check_sampling_rate(sampling_rate)
        _reject_irregular_times(contents, time_position)
    return Recording(values, times, rate, names, contents.units, name, missing)


def _time_base(contents: Contents, time_position: int | None) -> tuple[np.ndarray | None, float | None]:
    """Irregular times, or a sampling rate, or neither where the file contains none."""
    if time_position is not None:
        times = _times(contents, time_position)
    elif contents.times is not None:
        times = check_times(contents.times, len(contents.columns), contents.row_label)
        times = times - times[0]
    else:
        return None, contents.sampling_rate
    rate = regular_rate(times)
    return (times, None) if rate is None else (None, rate)


def _reject_irregular_times(contents: Contents, time_position: int | None) -> None:
    """A sampling rate must not override valid irregular times: that would silently close their gaps."""
    try:
        times, _ = _time_base(contents, time_position)
    except InputError:
        return  # the column contains no valid times, whatever its name
    if times is not None:
        raise OptionError(
            "sampling_rate= is given, but the times of the table are not regular: there are gaps in them, or they "
            "jitter. Leave it out to use them; with time_column=False a column of times is a channel, which columns= "
            "can leave out."
        )


def _times(contents: Contents, position: int) -> np.ndarray:
    """Increasing seconds since the first sample; errors name the option that makes the column a channel."""
    name, cells = contents.columns.columns[position], contents.columns.iloc[:, position]
    with parsing():
        times = to_seconds(cells, seconds_per_unit(str(name)) or 1.0)
    invalid = ~np.isfinite(times)
    if invalid.any():
        row = int(np.argmax(invalid))
        raise InputError(
            f"{contents.row_label(row)}, column {name!r}: {shortened(str(cells.iloc[row]))} is not a time "
            "like that of the first sample; write seconds, 2020-12-31 13:00:01.5 or 13:00:01.5."
        )
    try:
        return check_times(times, len(times), contents.row_label)
    except InputError as error:
        hint = f"Column {name!r} is taken for time; time_column=False makes it a channel."
        raise InputError(f"{error} {hint}") from error


def _time_position(contents: Contents, time_column: TimeColumn) -> int | None:
    """Position of the time column: as requested, as known to the reader, or by name."""
    names = [str(name) for name in contents.columns.columns]
    if time_column is False:
        return None
    if time_column is None:
        if contents.time_position is not None or contents.times is not None:
            return contents.time_position
        return next((j for j, name in enumerate(names) if seconds_per_unit(name) is not None), None)
    return _position(time_column, names, "time_column")


def _selected(labels: pd.Index, channels: list[int], columns: Columns) -> list[int]:
    """Positions in the file of the requested channels, in the requested order."""
    if len(labels) and not channels:
        raise InputError("the only column is taken for time; time_column=False makes it a channel.")
    if columns is None:
        return channels
    requested = [columns] if isinstance(columns, str | int) else list(columns)
    if not requested:
        raise InputError("columns is empty; name at least one channel, or leave it out to read all.")
    names = [str(labels[j]) for j in channels]
    positions = [channels[_position(item, names, "columns")] for item in requested]
    repeated = next((j for i, j in enumerate(positions) if j in positions[:i]), None)
    if repeated is not None:
        raise InputError(f"columns names the channel {str(labels[repeated])!r} twice; name every channel once.")
    return positions


def _position(item: str | int, names: list[str], option: str) -> int:
    if isinstance(item, str) and item in names:
        return names.index(item)
    if isinstance(item, int) and not isinstance(item, bool) and 0 <= item < len(names):
        return item
    listing = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    raise InputError(f"{option}: there is no {item!r}; choose from {listing}, or from 0 to {len(names) - 1}.")


def _values(contents: Contents, selected: list[int], may_miss: bool) -> np.ndarray:
    """Numbers ``(T, m)`` of the selected columns, NaN for permitted missing values; other text is rejected."""
    frame = contents.columns
    if selected != list(range(frame.shape[1])):
        frame = frame.iloc[:, selected]
    is_numeric = [isinstance(dtype, np.dtype) and dtype.kind in "fiu" for dtype in frame.dtypes]
    if all(is_numeric):
        return frame.to_numpy()
    texts = {j: _TextColumn.of(frame.iloc[:, j], contents.decimal) for j, ok in enumerate(is_numeric) if not ok}
    _check_numbers(contents, frame, texts, may_miss)
    return np.column_stack(
        [texts[j].values() if j in texts else frame.iloc[:, j].to_numpy(np.float64) for j in range(frame.shape[1])]
    )


@dataclass(frozen=True, eq=False)
class _TextColumn:
    """A column that was read as text."""

    cells: pd.Series
    numbers: pd.Series
    """The cells in Python's notation of numbers."""
    missing: np.ndarray
    """(T,) notations of a missing value."""
    invalid: np.ndarray
    """(T,) other cells that are not numbers."""

    @classmethod
    def of(cls, column: pd.Series, decimal: str) -> _TextColumn:
        cells = column.astype(str).str.strip()
        numbers = cells.str.translate(str.maketrans({decimal: ".", ".": decimal}))  # 1.234 is invalid beside 1,5
        missing = cells.str.lower().isin(MISSING).to_numpy(bool)
        not_numeric = pd.to_numeric(numbers, errors="coerce").isna().to_numpy(bool)
        return cls(cells, numbers, not_numeric & missing, not_numeric & ~missing)

    def values(self) -> np.ndarray:
        """``(T,)`` rounded to the nearest float64, unlike pandas in general; NaN where missing."""
        return self.numbers.mask(self.missing, "nan").to_numpy(dtype=str).astype(np.float64)


def _check_numbers(contents: Contents, frame: pd.DataFrame, texts: dict[int, _TextColumn], may_miss: bool) -> None:
    """Report the first cell, row by row, that is not a number, and how many there are of its kind."""
    rejected = {j: text.invalid if may_miss else text.invalid | text.missing for j, text in texts.items()}
    positions = [(int(np.argmax(cells)), j) for j, cells in rejected.items() if cells.any()]
    if not positions:
        return
    row, j = min(positions)
    if texts[j].missing[row]:
        problem, hint = "a sample is missing", "mark such samples with missing='mask', "
        n_cells = sum(int(text.missing.sum()) for text in texts.values())
    else:
        problem, hint = f"{shortened(texts[j].cells.iloc[row])} is not a number", ""
        n_cells = sum(int(text.invalid.sum()) for text in texts.values())
    total = f" ({n_cells} such cells in all)" if n_cells > 1 else ""
    raise InputError(
        f"{contents.row_label(row)}, column {frame.columns[j]!r}: {problem}{total}; "
        f"{hint}fix it, or choose other channels with columns=."
    )
