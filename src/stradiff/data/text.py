"""CSV and TSV: how a text file is laid out, and its columns."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from stradiff.data.contents import MISSING, Contents, parsing
from stradiff.data.memory import check_memory
from stradiff.data.times import is_number, is_stamp, seconds_per_unit
from stradiff.errors import ReadError

_HEAD_LINES = 50  # enough to see the layout
_LONGEST_LINE = 2**20  # of the head, in characters; a file without line ends must not fill the memory
_COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_BYTES_PER_CELL = 32  # measured: a float64 as parsed, once more in a table by rows, and the parser's own

# From pandas 3.1 on numbers are always parsed to the nearest float64 and the option is deprecated.
_PANDAS = tuple(int(part) for part in pd.__version__.split(".")[:2])
_EXACT: dict[str, Any] = {} if _PANDAS >= (3, 1) else {"float_precision": "round_trip"}


@dataclass(frozen=True)
class Layout:
    """How a text file is written."""

    encoding: str
    delimiter: str
    decimal: str
    skipped: int
    """Lines before the first sample."""
    header: tuple[str, ...] | None
    cells_per_byte: float


def read_csv(path: Path) -> Contents:
    """Columns of a file separated by commas, semicolons or tabs, whichever fits its first lines."""
    return _read_text(path, (";", "\t", ","))


def read_tsv(path: Path) -> Contents:
    """Columns of a file separated by tabs."""
    return _read_text(path, ("\t",))


def _read_text(path: Path, delimiters: tuple[str, ...]) -> Contents:
    with parsing():
        layout = _layout(path, delimiters)
        check_memory(path.stat().st_size * layout.cells_per_byte * _BYTES_PER_CELL, f"Reading {path.name}")
        frame = _frame(path, layout)
    frame = _named(frame, layout.header)
    time_position = _unnamed_time(frame, layout.header)
    if time_position is not None and _counts_rows(frame.iloc[:, time_position]):
        frame, time_position = frame.drop(columns=frame.columns[time_position]), None

    def where(row: int) -> str:
        return _place(path, layout, row)

    return Contents(frame, time_position=time_position, decimal=layout.decimal, where=where)


def _frame(path: Path, layout: Layout) -> pd.DataFrame:
    """The samples, column by column: numbers where every cell is one, text otherwise."""
    try:
        frame = pd.read_csv(
            path,
            header=None,
            skiprows=layout.skipped,
            sep=layout.delimiter,
            decimal=layout.decimal,
            encoding=layout.encoding,
            na_filter=False,  # a missing sample is shown to the user, not turned into NaN
            low_memory=False,
            skipinitialspace=True,
            **_EXACT,
        )
    except pd.errors.EmptyDataError:
        raise ReadError("the file has a header but no sample; give a file with data below it.") from None
    except pd.errors.ParserError:
        _check_widths(path, layout)  # says more, when that is the reason
        raise
    if not pd.api.types.is_numeric_dtype(frame.iloc[:, -1]):
        _check_widths(path, layout)  # short rows are filled with empty text at their end
    return frame


# --- the layout, from the first lines -----------------------------------------------------------------


def _layout(path: Path, delimiters: tuple[str, ...]) -> Layout:
    encoding = _encoding(path)
    with path.open(encoding=encoding) as file:
        lines = list(islice(iter(lambda: file.readline(_LONGEST_LINE), ""), _HEAD_LINES))
    if any("\0" in line for line in lines):
        raise ReadError("the file is binary, not text; give one with numbers between commas or tabs.")
    first = next((k for k, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
    if first is None:
        raise ReadError("the file is empty; give a file with one line for each sample.")
    head = [line for line in lines[first:] if line.strip()]
    delimiter = _delimiter(head, delimiters)
    rows = list(csv.reader(head, delimiter=delimiter, skipinitialspace=True))
    has_header = _is_header(rows[0])
    samples = rows[1:] if has_header else rows
    decimal = "," if any(_COMMA_NUMBER.fullmatch(cell.strip()) for row in samples for cell in row) else "."
    header = tuple(cell.strip() for cell in rows[0]) if has_header else None
    n_bytes = sum(len(line.encode(encoding, "replace")) for line in head)
    return Layout(encoding, delimiter, decimal, first + has_header, header, sum(map(len, rows)) / n_bytes)


def _encoding(path: Path) -> str:
    """Seen from the first megabyte: UTF-16 by its mark, else UTF-8, else the Western European code."""
    with path.open("rb") as file:
        head = file.read(_LONGEST_LINE)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig"


def _delimiter(lines: list[str], candidates: tuple[str, ...]) -> str:
    """The first candidate that cuts every line into the same number of cells, else the most frequent one."""
    for candidate in candidates:
        widths = {len(row) for row in csv.reader(lines, delimiter=candidate, skipinitialspace=True)}
        if len(widths) == 1 and widths != {1}:
            return candidate
    text = "".join(lines)
    return max(reversed(candidates), key=text.count)


def _is_header(row: list[str]) -> bool:
    """Whether a row names the columns: text, and numbers only beside the name of a time column.

    Any other row with a number is a sample, and a wrong cell in it must come to light.
    """
    texts = [cell for cell in row if not is_number(cell) and cell.strip().lower() not in MISSING]
    if any(is_number(cell) for cell in row):
        return any(seconds_per_unit(cell) is not None for cell in texts)
    return bool(texts) and not any(is_stamp(cell) for cell in texts)


# --- the columns --------------------------------------------------------------------------------------


def _named(frame: pd.DataFrame, header: tuple[str, ...] | None) -> pd.DataFrame:
    """The columns under their names, without the empty last one that a delimiter at a line's end leaves."""
    names = list(header) if header is not None else [""] * frame.shape[1]
    while frame.shape[1] > 1 and not "".join(names[frame.shape[1] - 1 :]) and _is_empty(frame.iloc[:, -1]):
        frame = frame.iloc[:, :-1]
    names = names[: frame.shape[1]] if not "".join(names[frame.shape[1] :]) else names
    if len(names) != frame.shape[1]:
        found = f"the header has {_count(len(names), 'name')}, but the rows {_count(frame.shape[1], 'cell')}"
        raise ReadError(f"{found}; mend it.")
    return frame.set_axis([name or f"column {j + 1}" for j, name in enumerate(names)], axis=1)


def _is_empty(cells: pd.Series) -> bool:
    return not pd.api.types.is_numeric_dtype(cells) and bool((cells.astype(str).str.strip() == "").all())


def _unnamed_time(frame: pd.DataFrame, header: tuple[str, ...] | None) -> int | None:
    """The first column when it is the unnamed index of a table, or when it has no header but dates."""
    if header is not None:
        return 0 if header[0] == "" and frame.shape[1] > 1 else None
    return 0 if is_stamp(str(frame.iloc[0, 0])) else None


def _counts_rows(cells: pd.Series) -> bool:
    """Whether an index says no more than 0, 1, 2, ..."""
    return pd.api.types.is_integer_dtype(cells) and bool((cells.diff().iloc[1:] == 1).all())


# --- places, looked up only when something is wrong ---------------------------------------------------


def _samples(path: Path, layout: Layout) -> Iterator[tuple[int, int]]:
    """Line number and number of cells of every sample."""
    with path.open(encoding=layout.encoding, newline="") as file:
        for _ in range(layout.skipped):
            file.readline()
        reader = csv.reader(file, delimiter=layout.delimiter, skipinitialspace=True)
        for row in reader:
            if len(row) > 1 or "".join(row).strip():
                yield layout.skipped + reader.line_num, len(row)


def _place(path: Path, layout: Layout, row: int) -> str:
    try:
        return f"line {next(islice(_samples(path, layout), row, None))[0]}"
    except (StopIteration, csv.Error, UnicodeError):  # broken quotes, which the two parsers read differently
        return f"sample {row + 1}"


def _check_widths(path: Path, layout: Layout) -> None:
    samples = _samples(path, layout)
    first, width = next(samples)
    for line, cells in samples:
        if cells != width:
            raise ReadError(
                f"rows have {_count(width, 'cell')} (line {first}) and {cells} (line {line}); mend the file."
            )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
