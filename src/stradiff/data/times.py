"""Sampling times: time columns of files, their conversion to seconds, regular grids, and the time axis of a fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from stradiff.data.checks import check_times

_SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "min": 60.0}
_UNIT = "|".join(_SECONDS)
# "T" is excluded: it usually means temperature.
_TIME_NAME = re.compile(rf"(?:(?i:time|timestamp|datetime|date|zeit)|t)(?:[ _]*[\[(]?({_UNIT})[\])]?)?")
_UNIT_NAME = re.compile(r"(?i:sec|seconds)")

# What may be meant as a number: with other digits, spaces, groups of digits, hexadecimal, Fortran's exponent.
_LIKE_NUMBER = re.compile(
    r"\ufeff?[\s+\-−＋－.,]*+(?:\d[\d\s.,'_]*+(?:[eEdDxX][+-]*+[\da-fA-F]++)?|(?i:nan|inf|infinity))\s*"
)


def seconds_per_unit(name: str) -> float | None:
    """Unit of a time column in seconds; None when the name is not that of a time column.

    Examples
    --------
    >>> seconds_per_unit("Time"), seconds_per_unit("t [ms]"), seconds_per_unit("trunk")
    (1.0, 0.001, None)
    """
    name = name.strip()
    if _UNIT_NAME.fullmatch(name):
        return 1.0
    match = _TIME_NAME.fullmatch(name)
    return None if match is None else _SECONDS[match[1] or "s"]


def looks_like_number(cell: str) -> bool:
    """Whether a cell is a number or is meant as one: no name of a channel."""
    return _LIKE_NUMBER.fullmatch(cell) is not None


def is_timestamp(cell: str) -> bool:
    """Whether a cell is a date or a clock time."""
    return _parser_of(cell) is not None


def seconds_of_text(cells: Sequence[str]) -> np.ndarray:
    """Seconds since the first cell, ``(T,)``; NaN where a cell has another format than the first one.

    Accepted are ISO dates (``2020-12-31 13:00:01.5``), dates with the day first (``31.12.2020 13:00:01``) and clock
    times (``13:00:01.5``), but not dates with slashes: their order differs between countries.
    """
    parse = _parser_of(cells[0])
    if parse is None:
        return np.full(len(cells), np.nan)
    times = parse(pd.Series(cells, dtype=object).str.strip(" \t").str.replace(",", "."))
    return (times - times.iloc[0]).dt.total_seconds().to_numpy(np.float64)


def regular_rate(times: np.ndarray) -> float | None:
    """Samples per second of increasing ``times (T,)`` that are evenly spaced; None when they are not.

    Evenly means that every step is within a thousandth of the mean step, or that the times equal a regular grid up to
    rounding to the digits they are written with (a clock of milliseconds shows 64 Hz as steps of 15 and 16 ms).
    Rounding to more than a tenth of a step does not count: it could hide a missing sample.
    """
    elapsed = times - times[0]
    step = elapsed[-1] / (len(times) - 1)
    if np.all(np.abs(np.diff(elapsed) - step) <= 1e-3 * step):
        return 1 / step
    resolution = _resolution(elapsed)
    deviation = np.max(np.abs(elapsed - step * np.arange(len(times))))
    # Two roundings add up: that of a sample, and that of the last one, which determines the step.
    return 1 / step if resolution <= 0.1 * step and deviation <= 2 * resolution else None


def normalised_times(times: ArrayLike | None, n_samples: int) -> tuple[np.ndarray | None, np.ndarray | None, float]:
    """Times scaled to [0, 1] (None on a regular grid), the checked times (or None), and their span.

    Without times the span is in samples: ``n_samples - 1``.
    """
    if times is None:
        return None, None, float(n_samples - 1)
    checked = check_times(times, n_samples)
    span = float(checked[-1] - checked[0])
    return None if regular_rate(checked) is not None else (checked - checked[0]) / span, checked, span


def _resolution(elapsed: np.ndarray) -> float:
    """Largest power of ten, from 1 s down to 1 ns, of which all times are multiples; 0 where there is none."""
    for digits in range(10):
        ticks = elapsed * 10.0**digits
        if np.all(np.abs(ticks - np.rint(ticks)) < 1e-3):
            return 10.0**-digits
    return 0.0


Parser = Callable[[pd.Series], pd.Series]
_PARSERS: tuple[tuple[re.Pattern[str], Parser], ...] = (
    (
        re.compile(r"\d{4}-\d\d?-\d\d?.*", re.ASCII),
        lambda text: pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True),
    ),
    (
        re.compile(r"\d\d?\.\d\d?\.\d{4}.*", re.ASCII),
        lambda text: pd.to_datetime(text, format="mixed", dayfirst=True, errors="coerce", utc=True),
    ),
    (re.compile(r"\d+:\d\d:\d\d.*", re.ASCII), lambda text: pd.to_timedelta(text, errors="coerce")),
)


def _parser_of(cell: str) -> Parser | None:
    return next((parser for pattern, parser in _PARSERS if pattern.fullmatch(cell.strip(" \t"))), None)
