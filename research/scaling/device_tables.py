"""What kinds of device took, beside each other, as Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from pages import NOT_RUN
from timing.tables import machines

from scaling.expect import MAPS
from scaling.one_process import Row
from scaling.words import gibi, no_result, number, table

Results = dict[str, Any]
PROCESSOR = "cpu"


def page(results: Results) -> str:
    """Everything there is."""
    return "\n\n".join(f"## {title}\n\n{part(name, results)}" for name, (title, _) in PARTS.items())


def part(name: str, results: Results) -> str:
    """One part by its name."""
    chosen = results.get(name)
    return PARTS[name][1](chosen) if chosen else NOT_RUN


def epochs(rows: Sequence[Row]) -> str:
    """A line for each case and device, beside the processor's."""
    head = ["samples", "channels", "sources", "map", "computed by", "compiled after, s", "ms per epoch"]
    head += ["times as quick as the processor", "memory of the device, GiB"]
    chosen = {json.dumps(row["case"]): row["epoch"] for row in rows if "epoch" in row}
    slow = [chosen.get(json.dumps({**row["case"], "device": PROCESSOR})) for row in rows]
    return _table(
        head, rows, [_epoch(row, other) if "epoch" in row else [] for row, other in zip(rows, slow, strict=True)]
    )


def fits(rows: Sequence[Row]) -> str:
    """Whole fits by stage, and how good their answers are."""
    head = ["samples", "channels", "sources", "map", "computed by", "until training, s", "training, s", "epochs"]
    head += ["afterwards, s", "all, s", "MCC: mean, worst"]
    return _table(head, rows, [_fit(row) if "seconds" in row else [] for row in rows])


def _table(head: Sequence[str], rows: Sequence[Row], numbers: Sequence[list[str]]) -> str:
    lines = []
    for row, here in zip(rows, numbers, strict=True):
        case = row["case"]
        line = [f"{case['T']:,}", str(case["m"]), str(case["n"]), MAPS[case["mixing"]], _name(row)]
        line += here or [no_result(row)]
        lines.append([*line, *[""] * (len(head) - len(line))])
    return table(head, lines)


def _name(row: Row) -> str:
    device = row["case"]["device"]
    return "the processor" if device == PROCESSOR else row.get("card", device)


def _epoch(row: Row, of_processor: float | None) -> list[str]:
    times = "" if of_processor is None else f"{of_processor / row['epoch']:.2g}"
    held = "" if row["on_device"] is None else gibi(row["on_device"])
    return [f"{row['until_ready']:.0f}", number(1e3 * row["epoch"]), times, held]


def _fit(row: Row) -> list[str]:
    start, training, after, every = (f"{row[name]:.0f}" for name in ("start", "training", "after", "seconds"))
    mean, worst = row["mcc"]["StrADiff"]
    return [start, training, f"{row['epochs']}", after, every, f"{mean:.4f}, {worst:.4f}"]


PARTS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "machine": ("Machine", machines),
    "epochs": ("An epoch", epochs),
    "fits": ("Whole fits", fits),
}
"""Titles, and what makes a table of the rows of each."""
