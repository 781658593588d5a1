"""What the prior takes beside an FFT, and how exact it is, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from scaling.epochs import exponent
from scaling.one_process import Row
from scaling.words import gibi, no_result, number, table

EXACT = 1e-8  # relative error that the quick solvers promise


def timed(rows: Sequence[Row]) -> str:
    """A line for each kind: at every length of a record its time, its ratio to the FFT, its memory."""
    rows = [row for row in rows if not row["case"].get("check")]
    lengths = sorted({row["case"]["T"] for row in rows})
    head = ["prior", "length-scale", "times"]
    head += [f"T = {T:,}: ms; FFTs (JAX's alone); GiB" for T in lengths] + ["exponent of T"]
    return table(head, [_timed(kind, lengths) for kind in by_kind(rows)])


def by_kind(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows that differ in T alone, together."""
    kinds: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        kinds.setdefault(_kind(row), []).append(row)
    return list(kinds.values())


def _kind(row: Row) -> tuple[str, str, str]:
    case = row["case"]
    return case["kernel"], case["length"], case["grid"]


def _timed(rows: Sequence[Row], lengths: Sequence[int]) -> list[str]:
    at = {row["case"]["T"]: row for row in rows}
    finished = [row for row in rows if "seconds" in row]
    slope = "" if len(finished) < 2 else f"{exponent(*_costs(finished)):.2f}"
    return [*_kind(rows[0]), *(_cell(at[T]) if T in at else "" for T in lengths), slope]


def _costs(rows: Sequence[Row]) -> tuple[list[int], list[float]]:
    return [row["case"]["T"] for row in rows], [row["seconds"]["prior"] for row in rows]


def _cell(row: Row) -> str:
    if "seconds" not in row:
        return no_result(row)
    milliseconds = 1e3 * row["seconds"]["prior"]
    return f"{number(milliseconds)}; {number(ratio(row))} ({number(ratio(row, ('jax',)))}); {gibi(row['memory'])}"


def ratio(row: Row, beside: Sequence[str] = ("jax", "scipy")) -> float:
    """How many FFTs of length 2T the prior takes, by the quickest of those named."""
    return row["seconds"]["prior"] / min(row["seconds"][name] for name in beside)


def checked(rows: Sequence[Row]) -> str:
    """Relative errors, and whether they are as small as promised."""
    rows = [row for row in rows if row["case"].get("check")]
    head = ["prior", "length-scale", "times", "T", "value", "gradient by the source", "by the parameters"]
    return table(
        [*head, f"all at most {EXACT:g}"], [[*_kind(row), f"{row['case']['T']:,}", *_errors(row)] for row in rows]
    )


def _errors(row: Row) -> list[str]:
    if "value" not in row:
        return [no_result(row), "", "", ""]
    errors = [row[name] for name in ("value", "by_source", "by_parameters")]
    return [*(f"{error:.0e}" for error in errors), "yes" if max(errors) <= EXACT else "no"]
