"""How tables say things."""

from __future__ import annotations

from collections.abc import Sequence

from scaling.one_process import Row

MAPS = {"linear": "a linear map", "mlp": "a map that is a network"}


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows).replace("| --- ", "|---").replace("--- |", "---|")


def no_result(row: Row) -> str:
    """Why a row has no numbers."""
    return f"more than {duration(row['stopped'])}" if "stopped" in row else "did not end well"


def number(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def gibi(n_bytes: float) -> str:
    """Bytes in GiB."""
    return f"{n_bytes / 2**30:.2f}"


def duration(seconds: float) -> str:
    """As a person would say it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
