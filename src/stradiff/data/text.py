"""CSV and TSV: the layout of a text file, and its columns."""

from __future__ import annotations

import codecs
import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from stradiff.data.contents import Contents
from stradiff.data.headers import is_missing, is_name, name_in
from stradiff.data.memory import check_memory
from stradiff.data.times import is_timestamp, looks_like_number, seconds_per_unit
from stradiff.errors import ReadError, shortened

_HEAD_LINES = 50  # from which the layout is inferred
_MAX_LINE_LENGTH = 2**20  # in characters, also of what stands before the data; bounds the memory of one line
_CELLS_AT_ONCE = 2**16
_ROWS_AT_ONCE = 512  # gone before the garbage collector looks at them: it starts after 700 new objects
_BYTES_PER_CELL = 32  # a float64, room to grow, and what is checked later
_COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|(?i:nan|inf|infinity))", re.ASCII)
_POINT_FOR_COMMA = str.maketrans(",.", ".,")  # 1.234 is no number beside 1,5


@dataclass(frozen=True)
class Layout:
    """Format of a text file."""

    encoding: str
    delimiter: str
    decimal: str
    skipped: int
    """Lines before the header or the first sample."""
    header: tuple[str, ...] | None
    """Its cells, as they stand in the file."""
    width: int
    """Cells of the first row."""
    cells_per_byte: float


def read_text(path: Path, delimiters: Sequence[str] = (";", "\t", ",")) -> Contents:
    """Columns of a text file, separated by the delimiter that fits its first lines."""
    layout = _layout(path, delimiters)
    check_memory(path.stat().st_size * layout.cells_per_byte * _BYTES_PER_CELL, f"Reading {path.name}")
    table = _table(path, layout)
    names = _names(layout.header, table.values.shape[1], table.n_filled)
    begin, time_position = 0, _index_position(layout, table.first, len(names))
    if time_position is not None and _counts_rows(table.first, table.values[:, 0]):
        begin, time_position = 1, None
    columns = slice(begin, len(names))
    return Contents(
        names[columns],
        table.values[:, columns],
        time_position=time_position,
        is_text=table.is_text[:, columns],
        cells=lambda j: (row[begin + j] for rows in _blocks(path, layout) for row in rows),
        row_label=lambda row: f"line {next(islice(_samples(path, layout), row, None))[0]}",
    )


# --- rows -------------------------------------------------------------------------------------------------


@contextmanager
def _opened(path: Path, encoding: str) -> Iterator[TextIO]:
    try:
        with path.open(encoding=encoding, newline="") as file:
            yield file
    except UnicodeError as error:
        raise ReadError(f"the file is not text in {encoding} ({error}); save it as UTF-8.") from error


def _lines(file: Iterable[str]) -> Iterator[str]:
    """Of a file, none of them too long."""
    for line in file:
        if len(line) > _MAX_LINE_LENGTH:
            raise ReadError(
                f"the line that begins with {shortened(line)} has more than {_MAX_LINE_LENGTH:,} characters; rows are "
                "samples, so transpose the table if they are channels."
            )
        yield line


def _kept(lines: Iterator[str], last: list[str]) -> Iterator[str]:
    """The same lines, each of them in ``last`` while it is read."""
    for line in lines:
        last[0] = line
        yield line


def _reader(lines: Iterator[str], layout: Layout) -> Any:
    """Rows of cells, from the header or the first sample on; those of blank lines are no samples."""
    for _ in range(layout.skipped):
        next(lines)
    return csv.reader(lines, delimiter=layout.delimiter, skipinitialspace=True, strict=True)


def _is_blank(row: list[str], layout: Layout) -> bool:
    """Whether a line without content made this row; in a single column a quoted cell without content is a sample."""
    return not row or (len(row) == 1 < layout.width and not row[0].strip())


def _blocks(path: Path, layout: Layout) -> Iterator[list[list[str]]]:
    """Rows of samples, many at once."""
    with _opened(path, layout.encoding) as file:
        reader = _reader(_lines(file), layout)
        at_once = max(1, min(_ROWS_AT_ONCE, _CELLS_AT_ONCE // layout.width))
        skipped = int(layout.header is not None)
        try:
            while rows := list(islice(reader, at_once)):
                if set(map(len, rows)) != {layout.width}:
                    rows = [row for row in rows if not _is_blank(row, layout)]
                if samples := rows[skipped:]:
                    yield samples
                skipped = 0
        except csv.Error:
            deque(_samples(path, layout), maxlen=0)  # this names the place
            raise
        if isinstance(file.newlines, tuple) and "\r" in file.newlines:
            deque(_samples(path, layout), maxlen=0)


def _samples(path: Path, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """Number of the first line, and cells, of every sample.

    Slower than ``_blocks``, as it finds the line where quotes do not match, or where lines end in another way: a
    carriage return alone, among lines that end with a line feed, may be part of a cell.
    """
    with _opened(path, layout.encoding) as file:
        last = [""]
        reader = _reader(_kept(_lines(file), last), layout)
        line, skipped, ends = layout.skipped + 1, layout.header is not None, ""
        try:
            for row in reader:
                if not _is_blank(row, layout):
                    if not skipped:
                        yield line, row
                    skipped = False
                end = last[0][-1]
                if end in "\r\n" and end != (ends := ends or end):
                    raise ReadError(
                        f"line {line} ends in another way than the lines before: there is a carriage return without a "
                        "line feed; save the file with one kind of line ends."
                    )
                line = layout.skipped + reader.line_num + 1
        except csv.Error as error:
            raise ReadError(
                f"line {line}: its quotes do not match ({shortened(str(error))}); close every quote, and double one "
                "inside a cell."
            ) from error


@dataclass(frozen=True, eq=False)
class _Table:
    """The samples of a text file."""

    first: list[str]
    """Cells of the first one"""
    values: np.ndarray
    """(T, k) NaN where a cell is no number"""
    is_text: np.ndarray
    """(T, k) cells that are neither numbers nor missing values"""
    n_filled: int
    """Columns up to the last that is not empty"""


def _table(path: Path, layout: Layout) -> _Table:
    first: list[str] = []
    numbers, is_text, n_filled = bytearray(), bytearray(), 0
    for rows in _blocks(path, layout):
        first = first or rows[0]
        width = len(first)
        if set(map(len, rows)) != {width}:
            raise _ragged(path, layout)
        if n_filled < width:
            n_filled = max(n_filled, *map(_n_filled, rows))
        some_numbers, some_text = _numbers(list(chain.from_iterable(rows)), layout.decimal)
        numbers += some_numbers.tobytes()
        is_text += some_text.tobytes()
    if not first:
        raise ReadError("the file has a header but no sample; give a file with data below it.")
    shape = (-1, len(first))
    return _Table(first, np.frombuffer(numbers).reshape(shape), np.frombuffer(is_text, bool).reshape(shape), n_filled)


def _ragged(path: Path, layout: Layout) -> ReadError:
    widths = ((line, len(row)) for line, row in _samples(path, layout))
    first, width = next(widths)
    line, other = next(one for one in widths if one[1] != width)
    return ReadError(f"rows have {_count(width, 'cell')} (line {first}) and {other} (line {line}); fix the file.")


def _n_filled(row: Sequence[str]) -> int:
    """Cells up to the last that is not empty."""
    return next((j + 1 for j in reversed(range(len(row))) if row[j].strip()), 0)


# --- numbers ----------------------------------------------------------------------------------------------


def _numbers(cells: list[str], decimal: str) -> tuple[np.ndarray, np.ndarray]:
    """Float64 of cells, NaN where they are none; and which of them are neither numbers nor missing values."""
    if decimal == ",":
        cells = [cell.translate(_POINT_FOR_COMMA) for cell in cells]
    text = "".join(cells)
    if text.isascii() and text.isprintable() and "_" not in text:  # then what Python takes for a number is one
        try:
            numbers = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            pass
        else:
            zeros = {cells[j] for j in np.flatnonzero(numbers == 0)}
            if np.isfinite(numbers).all() and all(_number(cell) == 0 for cell in zeros):
                return numbers, np.zeros(len(cells), bool)
    known = {cell: np.nan if is_missing(cell) else _number(cell) for cell in set(cells)}
    read = [known[cell] for cell in cells]
    return np.array(read, np.float64), np.array([number is None for number in read])


def _number(cell: str) -> float | None:
    """The nearest float64; None of what is no number, or too small or too large to be one that is near."""
    cell = cell.strip(" \t")
    if not _NUMBER.fullmatch(cell):
        return None
    number = float(cell)
    if number == 0:
        return number if not cell.lower().partition("e")[0].strip("+-0.") else None
    return None if np.isinf(number) and "n" not in cell.lower() else number


# --- layout, from the first lines -----------------------------------------------------------------------


def _layout(path: Path, delimiters: Sequence[str]) -> Layout:
    encoding = _encoding(path)
    skipped, head = _head(path, encoding)
    if not head:
        raise ReadError("the file is empty; give a file with one line for each sample.")
    delimiter = _delimiter(head, delimiters)
    rows = _split(head, delimiter)
    has_header = _is_header(rows[0])
    samples = rows[1:] if has_header else rows
    decimal = "," if any(_COMMA_NUMBER.fullmatch(cell.strip()) for row in samples for cell in row) else "."
    header = tuple(rows[0]) if has_header else None
    n_bytes = sum(len(line.encode(encoding, "replace")) for line in head)
    return Layout(encoding, delimiter, decimal, skipped, header, len(rows[0]), sum(map(len, rows)) / n_bytes)


def _head(path: Path, encoding: str) -> tuple[int, list[str]]:
    """How many lines stand before the header or the first sample, and the first lines from there on."""
    head: list[str] = []
    skipped = n_characters = 0
    with _opened(path, encoding) as file:
        for line in _lines(iter(partial(file.readline, _MAX_LINE_LENGTH + 1), "")):
            n_characters += len(line)
            if "\0" in line:
                raise ReadError("the file is binary, not text; give one with numbers between commas or tabs.")
            if head or (line.strip() and not line.startswith("#")):
                head.append(line)
            else:
                skipped += 1
            if len(head) == _HEAD_LINES or n_characters > _MAX_LINE_LENGTH:
                break
    return skipped, head


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
        widths = {len(row) for row in _split(lines, candidate)}
        if len(widths) == 1 and widths != {1}:
            return candidate
    text = "".join(lines)
    return max(reversed(candidates), key=text.count)


def _split(lines: list[str], delimiter: str) -> list[list[str]]:
    """Rows of the first lines, whatever their quotes; those that are blank are left out."""
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
    except csv.Error as error:
        raise ReadError(f"the first lines are no table ({error}); close every quote.") from error
    return [row for row in rows if len(row) > 1 or "".join(row).strip()] or [[""]]


def _is_header(row: list[str]) -> bool:
    """Whether a row names the columns: text, and numbers only beside the name of a time column.

    Any other row with a number is a sample, so that an invalid cell in it is reported.
    """
    names = [cell for cell in row if is_name(cell)]
    if any(looks_like_number(cell) for cell in row):
        return any(seconds_per_unit(cell) is not None for cell in names)
    return bool(names) and not any(is_timestamp(cell) for cell in row)


# --- columns ----------------------------------------------------------------------------------------------


def _names(header: tuple[str, ...] | None, width: int, n_filled: int) -> list[str]:
    """Of the columns, without the empty ones that delimiters at the ends of lines produce."""
    cells = header or ("",) * width
    n_columns = max(1, n_filled, _n_filled(cells))
    if not n_columns <= min(width, len(cells)):
        widths = f"the header has {_count(len(cells), 'name')}, but the rows {_count(width, 'cell')}"
        raise ReadError(f"{widths}; fix the header.")
    return [name_in(cell) if cell.strip() else f"column {j + 1}" for j, cell in enumerate(cells[:n_columns])]


def _index_position(layout: Layout, first: list[str], n_columns: int) -> int | None:
    """The first column if it is an unnamed index, or contains dates and there is no header."""
    if layout.header is not None:
        return 0 if n_columns > 1 and not layout.header[0].strip() else None
    return 0 if is_timestamp(first[0]) else None


def _counts_rows(first: list[str], index: np.ndarray) -> bool:
    """Whether an index only counts the rows, in whole numbers."""
    return first[0].strip().lstrip("+-").isdecimal() and bool((np.diff(index) == 1).all())


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
