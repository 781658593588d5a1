"""Contents of a file and their conversion to a recording: the part of reading that all formats share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np

from stradiff.data.checks import (
    RowLabel,
    array_row,
    as_float_array,
    check_channel_names,
    check_observations,
    check_sampling_rate,
    check_times,
)
from stradiff.data.headers import listed
from stradiff.data.missing import check_missing
from stradiff.data.recording import Recording
from stradiff.data.times import looks_like_number, regular_rate, seconds_of_text, seconds_per_unit
from stradiff.errors import InputError, OptionError, ReadError, shortened

TimeColumn = str | int | Literal[False] | None
Columns = Sequence[str | int] | str | int | None


@dataclass(frozen=True, eq=False)
class Contents:
    """The result of a reader: columns of numbers, and the time information of the file."""

    names: Sequence[str]
    """Of the columns."""
    values: np.ndarray
    """(T, k) float32 or float64; NaN where a cell of a text file is no number"""
    times: np.ndarray | None = None
    """(T,) seconds"""
    time_position: int | None = None
    """The time column, where its position and not its name determines it."""
    sampling_rate: float | None = None
    units: str | None = None
    is_text: np.ndarray | None = None
    """(T, k) cells of a text file that are neither numbers nor missing values; None of a file of numbers"""
    cells: Callable[[int], Iterator[str]] = lambda column: iter(())
    """The cells of a column of a text file, as they stand there; read again"""
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
        reason = (str(error) or type(error).__name__)[:160]
        raise ReadError(f"the file is damaged or not of its suffix's format: {reason!r}.") from error


def contents_of_array(values: Any, channel_names: Sequence[str] | None = None, **others: Any) -> Contents:
    """Contents of an array ``(T, m)``, or ``(T,)`` of one channel."""
    array = as_float_array(values)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise InputError(f"The array has shape {array.shape}; save it as 2-D, (samples, channels).")
    return Contents(check_channel_names(channel_names, array.shape[1]), array, **others)


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
    channels = [j for j in range(len(contents.names)) if j != time_position]
    selected = _selected(contents.names, channels, columns)
    names = check_channel_names([contents.names[j] for j in selected], len(selected))
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
        times = check_times(contents.times, len(contents.values), contents.row_label)
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
    name, numbers = contents.names[position], contents.values[:, position].astype(np.float64)
    if contents.is_text is not None and len(numbers) and np.isnan(numbers[0]):
        with parsing():
            times = seconds_of_text(list(contents.cells(position)))
    else:
        times = (numbers - numbers[:1]) * (seconds_per_unit(name) or 1.0)
    invalid = ~np.isfinite(times)
    if contents.is_text is not None and invalid.any():
        row = int(np.argmax(invalid))
        raise InputError(
            f"{contents.row_label(row)}, column {shortened(name)}: {shortened(_cell(contents, row, position))} is not "
            "a time like that of the first sample; write seconds, 2020-12-31 13:00:01.5 or 13:00:01.5."
        )
    try:
        return check_times(times, len(times), contents.row_label)
    except InputError as error:
        hint = f"Column {shortened(name)} is taken for time; time_column=False makes it a channel."
        raise InputError(f"{error} {hint}") from error


def _time_position(contents: Contents, time_column: TimeColumn) -> int | None:
    """Position of the time column: as requested, as known to the reader, or by name."""
    if time_column is False:
        return None
    if time_column is None:
        if contents.time_position is not None or contents.times is not None:
            return contents.time_position
        return next((j for j, name in enumerate(contents.names) if seconds_per_unit(name) is not None), None)
    return _positions([time_column], contents.names, "time_column")[0]


def _selected(names: Sequence[str], channels: list[int], columns: Columns) -> list[int]:
    """Positions in the file of the requested channels, in the requested order."""
    if len(names) and not channels:
        raise InputError("the only column is taken for time; time_column=False makes it a channel.")
    if columns is None:
        return channels
    requested = [columns] if isinstance(columns, str | int) else list(columns)
    if not requested:
        raise InputError("columns is empty; name at least one channel, or leave it out to read all.")
    positions = [channels[j] for j in _positions(requested, [names[j] for j in channels], "columns")]
    seen: set[int] = set()
    for j in positions:
        if j in seen:
            raise InputError(f"columns names the channel {shortened(names[j])} twice; name every channel once.")
        seen.add(j)
    return positions


def _positions(items: Sequence[str | int], names: Sequence[str], option: str) -> list[int]:
    """Of columns that are given by name or by position; the first of a name counts."""
    known: dict[object, int] = {name: j for j, name in reversed(list(enumerate(names)))}
    known |= {j: j for j in range(len(names))}
    for item in items:
        if isinstance(item, bool) or not isinstance(item, str | int) or item not in known:
            raise InputError(
                f"{option}: there is no {shortened(item)}; choose from {listed(names)}, or from 0 to {len(names) - 1}."
            )
    return [known[item] for item in items]


def _values(contents: Contents, selected: list[int], may_miss: bool) -> np.ndarray:
    """Numbers ``(T, m)`` of the selected columns, NaN for permitted missing values; other text is rejected."""
    whole = selected == list(range(len(contents.names)))
    values = contents.values if whole else contents.values[:, selected]
    if contents.is_text is not None:
        is_text = contents.is_text if whole else contents.is_text[:, selected]
        _check_numbers(contents, selected, is_text, np.isnan(values) & ~is_text, may_miss)
    return values


def _check_numbers(
    contents: Contents, selected: list[int], is_text: np.ndarray, is_missing: np.ndarray, may_miss: bool
) -> None:
    """Report the first cell, row by row, that is not a number, and how many there are of its kind."""
    rejected = is_text if may_miss else is_text | is_missing
    if not rejected.any():
        return
    row, j = divmod(int(np.argmax(rejected)), len(selected))
    if is_missing[row, j]:
        problem, hint, n_cells = "a sample is missing", "mark such samples with missing='mask', ", is_missing.sum()
    else:
        cell = _cell(contents, row, selected[j])
        number = "a number that float64 can hold" if looks_like_number(cell) else "a number"
        problem, hint, n_cells = f"{shortened(cell)} is not {number}", "", is_text.sum()
    total = f" ({n_cells} such cells in all)" if n_cells > 1 else ""
    raise InputError(
        f"{contents.row_label(row)}, column {shortened(contents.names[selected[j]])}: {problem}{total}; "
        f"{hint}fix it, or choose other channels with columns=."
    )


def _cell(contents: Contents, row: int, column: int) -> str:
    return next(islice(contents.cells(column), row, None))
