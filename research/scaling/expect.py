"""From a recording's size to what its fit takes."""

from __future__ import annotations

from collections.abc import Sequence

from scaling.one_process import Row
from scaling.words import duration, gibi, no_result, table

MAPS = {"linear": "linear", "mlp": "a network"}


def expected(rows: Sequence[Row]) -> str:
    """Every fit that was measured, shortest recording first."""
    head = ["samples", "channels", "sources", "map", "time", "of it training", "memory beyond the idle process, GiB"]
    ordered = sorted(rows, key=lambda row: (row["case"]["mixing"], row["case"]["T"], row["case"]["n"]))
    return table(head, [_line(row) for row in ordered])


def _line(row: Row) -> list[str]:
    case = row["case"]
    size = [f"{case['T']:,}", str(case["m"]), str(case["n"]), MAPS[case["mixing"]]]
    if "seconds" not in row:
        return [*size, no_result(row), "", ""]
    return [*size, duration(row["seconds"]), duration(row["training"]), gibi(row["memory"])]
