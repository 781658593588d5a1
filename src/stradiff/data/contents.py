"""Contents of a file, and how they become a recording: the part of reading that all formats share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from stradiff.data.checks import (
    Where,
    as_float_array,
    check_channel_names,
    check_observations,
    check_sampling_rate,
    check_times,
    row_of_array,
)
from stradiff.data.missing import check_missing
from stradiff.data.recording import Recording
from stradiff.data.times import regular_rate, seconds_per_unit, to_seconds
from stradiff.errors import InputError, OptionError, ReadError, shortened

TimeColumn = str | int | Literal[False] | None
Columns = Sequence[str | int] | str | int | None

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-"})
"""How files write a sample that is not there, in lower case."""


@dataclass(frozen=True, eq=False)
class Contents:
    """What a reader has found: columns of numbers or text, and whatever the file says about time."""

    columns: pd.DataFrame
    times: np.ndarray | None = None
    """(T,) seconds"""
    time_position: int | None = None
    """The column that is known to hold the times without looking at its name."""
    sampling_rate: float | None = None
    units: str | None = None
    decimal: str = "."
    where: Where = row_of_array
    """Names a sample the way the user finds it in the file."""


@contextmanager
def parsing() -> Iterator[None]:
    """Around a parser that is not ours: a damaged file can make it raise anything."""
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
    """Recording of the chosen columns; see :func:`read_recording` for the rules."""
    time_position = _time_position(contents, time_column)
    channels = [j for j in range(contents.columns.shape[1]) if j != time_position]
    chosen = _chosen(contents.columns.columns, channels, columns)
    names = check_channel_names([str(contents.columns.columns[j]) for j in chosen], len(chosen))
    values = _values(contents, chosen, check_missing(missing))
    n_samples, n_channels = values.shape
    if n_channels > 1 and n_samples <= n_channels:
        raise InputError(
            f"The table has {n_samples} x {n_channels} cells (rows x channels), but rows must be samples; "
            "transpose it, or choose fewer channels with columns=."
        )
    values = check_observations(values, channel_names=names, missing=missing, where=contents.where)
    if sampling_rate is not None and time_column not in (None, False):
        raise OptionError("time_column= and sampling_rate= both say when the samples were taken; give one of them.")
    rate: float | None
    if sampling_rate is None:
        times, rate = _time_base(contents, time_position)
    else:
        times, rate = None, check_sampling_rate(sampling_rate)
        _refuse_gaps(contents, time_position)
    return Recording(values, times, rate, names, contents.units, name, missing)


def _time_base(contents: Contents, time_position: int | None) -> tuple[np.ndarray | None, float | None]:
    """Times that are not regular, else the sampling rate; neither when the file says nothing."""
    if time_position is not None:
        times = _times(contents, time_position)
    elif contents.times is not None:
        times = check_times(contents.times, len(contents.columns), contents.where)
        times = times - times[0]
    else:
        return None, contents.sampling_rate
    rate = regular_rate(times)
    return (times, None) if rate is None else (None, rate)


def _refuse_gaps(contents: Contents, time_position: int | None) -> None:
    """A rate instead of times that can be read and are not regular would close the gaps in them unseen."""
    try:
        times, _ = _time_base(contents, time_position)
    except InputError:
        return  # whatever the column is called, it holds no times
    if times is not None:
        raise OptionError(
            "sampling_rate= is given, but the times of the table are not regular: there are gaps in them, or they "
            "jitter. Leave it out to use them; with time_column=False a column of times is a channel, which columns= "
            "can leave out."
        )


def _times(contents: Contents, position: int) -> np.ndarray:
    """Seconds since the first sample, increasing; the user learns how to keep the column as a channel."""
    name, cells = contents.columns.columns[position], contents.columns.iloc[:, position]
    with parsing():
        times = to_seconds(cells, seconds_per_unit(str(name)) or 1.0)
    bad = ~np.isfinite(times)
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"{contents.where(row)}, column {name!r}: {shortened(str(cells.iloc[row]))} is not a time "
            "like that of the first sample; write seconds, 2020-12-31 13:00:01.5 or 13:00:01.5."
        )
    try:
        return check_times(times, len(times), contents.where)
    except InputError as error:
        hint = f"Column {name!r} is taken for time; time_column=False makes it a channel."
        raise InputError(f"{error} {hint}") from error


def _time_position(contents: Contents, time_column: TimeColumn) -> int | None:
    """Where the times stand: as asked for, as the reader knows, or by the name of the column."""
    names = [str(name) for name in contents.columns.columns]
    if time_column is False:
        return None
    if time_column is None:
        if contents.time_position is not None or contents.times is not None:
            return contents.time_position
        return next((j for j, name in enumerate(names) if seconds_per_unit(name) is not None), None)
    return _position(time_column, names, "time_column")


def _chosen(labels: pd.Index, channels: list[int], columns: Columns) -> list[int]:
    """Positions in the file of the channels asked for, in the order asked for."""
    if len(labels) and not channels:
        raise InputError("the only column is taken for time; time_column=False makes it a channel.")
    if columns is None:
        return channels
    wanted = [columns] if isinstance(columns, str | int) else list(columns)
    if not wanted:
        raise InputError("columns is empty; name at least one channel, or leave it out to read all.")
    names = [str(labels[j]) for j in channels]
    positions = [channels[_position(item, names, "columns")] for item in wanted]
    twice = next((j for i, j in enumerate(positions) if j in positions[:i]), None)
    if twice is not None:
        raise InputError(f"columns names the channel {str(labels[twice])!r} twice; name every channel once.")
    return positions


def _position(item: str | int, names: list[str], option: str) -> int:
    if isinstance(item, str) and item in names:
        return names.index(item)
    if isinstance(item, int) and not isinstance(item, bool) and 0 <= item < len(names):
        return item
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    raise InputError(f"{option}: there is no {item!r}; choose from {shown}, or from 0 to {len(names) - 1}.")


def _values(contents: Contents, chosen: list[int], may_miss: bool) -> np.ndarray:
    """Numbers ``(T, m)`` of the chosen columns, NaN where one is missing that may be; other text is refused."""
    frame = contents.columns
    if chosen != list(range(frame.shape[1])):
        frame = frame.iloc[:, chosen]
    kinds = [isinstance(dtype, np.dtype) and dtype.kind in "fiu" for dtype in frame.dtypes]
    if all(kinds):
        return frame.to_numpy()
    texts = {j: _Text.of(frame.iloc[:, j], contents.decimal) for j, numeric in enumerate(kinds) if not numeric}
    _check_numbers(contents, frame, texts, may_miss)
    columns = [texts[j].values() if j in texts else frame.iloc[:, j].to_numpy(np.float64) for j in range(len(kinds))]
    return np.column_stack(columns)


@dataclass(frozen=True, eq=False)
class _Text:
    """A column that was read as text."""

    cells: pd.Series
    numbers: pd.Series
    """Its cells as Python writes numbers."""
    absent: np.ndarray
    """(T,) where a sample is said to be missing."""
    wrong: np.ndarray
    """(T,) where there is something else that is no number."""

    @classmethod
    def of(cls, column: pd.Series, decimal: str) -> _Text:
        cells = column.astype(str).str.strip()
        numbers = cells.str.translate(str.maketrans({decimal: ".", ".": decimal}))  # 1.234 is no number among 1,5
        absent = cells.str.lower().isin(MISSING).to_numpy(bool)
        bad = pd.to_numeric(numbers, errors="coerce").isna().to_numpy(bool)
        return cls(cells, numbers, bad & absent, bad & ~absent)

    def values(self) -> np.ndarray:
        """``(T,)`` to the nearest float64, as pandas does not always, and NaN where absent."""
        return self.numbers.mask(self.absent, "nan").to_numpy(dtype=str).astype(np.float64)


def _check_numbers(contents: Contents, frame: pd.DataFrame, texts: dict[int, _Text], may_miss: bool) -> None:
    """A sentence about the first cell, row by row, that is no number, and how many of its kind there are."""
    refused = {j: text.wrong if may_miss else text.wrong | text.absent for j, text in texts.items()}
    places = [(int(np.argmax(bad)), j) for j, bad in refused.items() if bad.any()]
    if not places:
        return
    row, j = min(places)
    if texts[j].absent[row]:
        what, hint = "a sample is missing", "mark such samples with missing='mask', "
        alike = sum(int(text.absent.sum()) for text in texts.values())
    else:
        what, hint = f"{shortened(texts[j].cells.iloc[row])} is not a number", ""
        alike = sum(int(text.wrong.sum()) for text in texts.values())
    many = f" ({alike} such cells in all)" if alike > 1 else ""
    raise InputError(
        f"{contents.where(row)}, column {frame.columns[j]!r}: {what}{many}; "
        f"{hint}mend it, or choose other channels with columns=."
    )
