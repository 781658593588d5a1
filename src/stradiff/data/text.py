"""CSV and TSV: the layout of a text file, and its columns."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from stradiff.data.contents import MISSING, Contents, parsing
from stradiff.data.memory import check_memory
from stradiff.data.times import is_number, is_timestamp, seconds_per_unit
from stradiff.errors import ReadError

_HEAD_LINES = 50  # from which the layout is inferred
_MAX_LINE_LENGTH = 2**20  # of the head, in characters; bounds the memory of a file without line ends
_COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_BYTES_PER_CELL = 32  # two copies of a float64, and the parser's own memory

# From pandas 3.1 on, numbers are always parsed to the nearest float64 and the option is deprecated.
_PANDAS = tuple(int(part) for part in pd.__version__.split(".")[:2])
_EXACT: dict[str, Any] = {} if _PANDAS >= (3, 1) else {"float_precision": "round_trip"}


@dataclass(frozen=True)
class Layout:
    """Format of a text file."""

    encoding: str
    delimiter: str
    decimal: str
    skipped: int
    """Lines before the first sample."""
    header: tuple[str, ...] | None
    cells_per_byte: float


def read_text(path: Path, delimiters: Sequence[str] = (";", "\t", ",")) -> Contents:
    """Columns of a text file, separated by the delimiter that fits its first lines."""
    with parsing():
        layout = _layout(path, delimiters)
        check_memory(path.stat().st_size * layout.cells_per_byte * _BYTES_PER_CELL, f"Reading {path.name}")
        frame = _frame(path, layout)
    frame = _named(frame, layout.header)
    time_position = _index_position(frame, layout.header)
    if time_position is not None and _is_row_number(frame.iloc[:, time_position]):
        frame, time_position = frame.drop(columns=frame.columns[time_position]), None
    return Contents(
        frame,
        time_position=time_position,
        decimal=layout.decimal,
        row_label=lambda row: _line_label(path, layout, row),
    )


def _frame(path: Path, layout: Layout) -> pd.DataFrame:
    """Columns of numbers where all cells are numbers, else of text."""
    try:
        frame = pd.read_csv(
            path,
            header=None,
            skiprows=layout.skipped,
            sep=layout.delimiter,
            decimal=layout.decimal,
            encoding=layout.encoding,
            na_filter=False,  # missing values are reported, or marked later
            low_memory=False,
            skipinitialspace=True,
            **_EXACT,
        )
    except pd.errors.EmptyDataError:
        raise ReadError("the file has a header but no sample; give a file with data below it.") from None
    except pd.errors.ParserError:
        _check_widths(path, layout)  # gives the better message for ragged rows
        raise
    if not pd.api.types.is_numeric_dtype(frame.iloc[:, -1]):
        _check_widths(path, layout)  # pandas pads short rows with empty text
    return frame


# --- layout, from the first lines -----------------------------------------------------------------------


def _layout(path: Path, delimiters: Sequence[str]) -> Layout:
    encoding = _encoding(path)
    with path.open(encoding=encoding) as file:
        lines = list(islice(iter(lambda: file.readline(_MAX_LINE_LENGTH), ""), _HEAD_LINES))
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
    """Encoding of the first megabyte: UTF-16 by its byte-order mark, else UTF-8, else Latin-1."""
    with path.open("rb") as file:
        head = file.read(_MAX_LINE_LENGTH)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be incomplete
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig"


def _delimiter(lines: list[str], candidates: Sequence[str]) -> str:
    """The first candidate that splits all lines into equally many cells, else the most frequent one."""
    for candidate in candidates:
        widths = {len(row) for row in csv.reader(lines, delimiter=candidate, skipinitialspace=True)}
        if len(widths) == 1 and widths != {1}:
            return candidate
    text = "".join(lines)
    return max(reversed(candidates), key=text.count)


def _is_header(row: list[str]) -> bool:
    """Whether a row names the columns: text, and numbers only beside the name of a time column.

    Any other row with a number is a sample, so that an invalid cell in it is reported.
    """
    texts = [cell for cell in row if not is_number(cell) and cell.strip().lower() not in MISSING]
    if any(is_number(cell) for cell in row):
        return any(seconds_per_unit(cell) is not None for cell in texts)
    return bool(texts) and not any(is_timestamp(cell) for cell in texts)


# --- columns ----------------------------------------------------------------------------------------------


def _named(frame: pd.DataFrame, header: tuple[str, ...] | None) -> pd.DataFrame:
    """The columns with their names, without the empty ones that delimiters at the ends of lines produce."""
    names = list(header) if header is not None else [""] * frame.shape[1]
    while frame.shape[1] > 1 and not "".join(names[frame.shape[1] - 1 :]) and _is_empty(frame.iloc[:, -1]):
        frame = frame.iloc[:, :-1]
    names = names[: frame.shape[1]] if not "".join(names[frame.shape[1] :]) else names
    if len(names) != frame.shape[1]:
        widths = f"the header has {_count(len(names), 'name')}, but the rows {_count(frame.shape[1], 'cell')}"
        raise ReadError(f"{widths}; fix the header.")
    return frame.set_axis([name or f"column {j + 1}" for j, name in enumerate(names)], axis=1)


def _is_empty(cells: pd.Series) -> bool:
    return not pd.api.types.is_numeric_dtype(cells) and bool((cells.astype(str).str.strip() == "").all())


def _index_position(frame: pd.DataFrame, header: tuple[str, ...] | None) -> int | None:
    """The first column if it is an unnamed index, or contains dates and there is no header."""
    if header is not None:
        return 0 if header[0] == "" and frame.shape[1] > 1 else None
    return 0 if is_timestamp(str(frame.iloc[0, 0])) else None


def _is_row_number(cells: pd.Series) -> bool:
    """Whether an index only counts the rows."""
    return pd.api.types.is_integer_dtype(cells) and bool((cells.diff().iloc[1:] == 1).all())


# --- line numbers, for messages only ----------------------------------------------------------------------


def _sample_lines(path: Path, layout: Layout) -> Iterator[tuple[int, int]]:
    """Line number and number of cells of every sample."""
    with path.open(encoding=layout.encoding, newline="") as file:
        for _ in range(layout.skipped):
            file.readline()
        reader = csv.reader(file, delimiter=layout.delimiter, skipinitialspace=True)
        for row in reader:
            if len(row) > 1 or "".join(row).strip():
                yield layout.skipped + reader.line_num, len(row)


def _line_label(path: Path, layout: Layout, row: int) -> str:
    try:
        return f"line {next(islice(_sample_lines(path, layout), row, None))[0]}"
    except (StopIteration, csv.Error, UnicodeError):  # unbalanced quotes, which the two parsers read differently
        return f"sample {row + 1}"


def _check_widths(path: Path, layout: Layout) -> None:
    samples = _sample_lines(path, layout)
    first, width = next(samples)
    for line, cells in samples:
        if cells != width:
            raise ReadError(
                f"rows have {_count(width, 'cell')} (line {first}) and {cells} (line {line}); fix the file."
            )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
