"""Names of channels in the header of a text file, which a spreadsheet takes for text and we read back unchanged.

A name that a spreadsheet would run as a formula, or that would not come back as it is, is written behind an apostrophe.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from stradiff.data.times import is_timestamp, looks_like_number
from stradiff.errors import shortened

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-"})
"""Notations of a missing value, in lower case."""

# First characters of formulas, also the full-width ones; of a comment; of a byte-order mark; and spaces at either end.
_UNSAFE = re.compile(r"[=+\-@＝＋－＠#\ufeff\s].*|.*\s", re.DOTALL)


def header_cell(name: str) -> str:
    """The cell of a name, quoted where it must be."""
    cell = f"'{name}" if _is_protected(name) else name
    return '"' + cell.replace('"', '""') + '"' if re.search(r'[",;\t\r\n]', cell) else cell


def name_in(cell: str) -> str:
    """The name that a cell holds, after its quotes are taken off."""
    if cell.startswith("'") and _is_protected(cell[1:]):
        return cell[1:]
    return cell.strip()


def listed(names: Sequence[str]) -> str:
    """The first dozen names in a message, without quotes."""
    return ", ".join([*(shortened(name)[1:-1] for name in names[:12]), *(["..."] if len(names) > 12 else [])])


def is_name(cell: str) -> bool:
    """Whether a cell of a first line can only be a name: no number, no missing value and no time."""
    return not (looks_like_number(cell) or is_missing(cell) or is_timestamp(cell))


def is_missing(cell: str) -> bool:
    """Whether a cell is a notation of a missing value."""
    return cell.strip(" \t").lower() in MISSING


def _is_protected(name: str) -> bool:
    """Whether a name is written behind an apostrophe: also one that begins with such an apostrophe itself."""
    bare = name.lstrip("'")
    return _UNSAFE.fullmatch(bare) is not None or not is_name(bare)
