"""The results as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pages import NOT_RUN
from timing.tables import machines

from scaling import expect, prior_tables
from scaling.epochs import LINES, exponent, per_pass
from scaling.one_process import Row
from scaling.words import MAPS, gibi, no_result, number, table
from scaling.workers import ONE

Results = dict[str, Any]


def page(results: Results) -> str:
    """Everything there is."""
    return "\n\n".join(f"## {title}\n\n{part(name, results)}" for name, (title, _, _) in PARTS.items())


def part(name: str, results: Results) -> str:
    """One part by its name."""
    _, source, made = PARTS[name]
    chosen = [row for one in source for row in results.get(one, [])] if source else results.get(name)
    return made(chosen) if chosen else NOT_RUN


def words(case: Row) -> str:
    """A case, in a line."""
    return ", ".join(f"{name} {value}" for name, value in case.items())


def epochs(rows: Sequence[Row]) -> str:
    """A table for every line, and the exponents under it."""
    chosen = {line: [row for row in rows if row["case"]["line"] == line] for line in LINES}
    return "\n\n".join(_line(line, own) for line, own in chosen.items() if own)


def _line(line: str, rows: Sequence[Row]) -> str:
    name, case = line.partition(",")[0], rows[0]["case"]
    fixed = [f"{key} = {case[key]:,}" for key in "TnmL" if key not in _varied(line)]
    title = f"**Against {name}**: {MAPS[case['mixing']]}, {', '.join(fixed)}"
    head = [*_varied(line), "branches", "ms per epoch", "epochs in a pass", "ms per pass"]
    head += ["memory of training, GiB", "of it while it runs", "estimated, GiB", "estimated / taken"]
    lines = [[*(f"{row['case'][key]:,}" for key in _varied(line)), *_costs(row)] for row in rows]
    return f"{title}\n\n{table(head, lines)}\n\n{exponents(name, rows)}"


def _varied(line: str) -> tuple[str, ...]:
    return ("n", "m") if line == "n" else (line.partition(",")[0],)


def _costs(row: Row) -> list[str]:
    if "epoch" not in row:
        return ["", no_result(row), *[""] * 6]
    costs = [number(1e3 * row["epoch"]), f"{row['epochs_per_pass']}", number(1e3 * per_pass(row))]
    memory = [
        gibi(row["memory"]),
        gibi(row["running"]),
        gibi(row["estimated"]),
        f"{row['estimated'] / row['memory']:.2f}",
    ]
    return [row["network"], *costs, *memory]


def exponents(name: str, rows: Sequence[Row]) -> str:
    """Fitted over all sizes, and over the largest two apart, where what does not grow weighs least."""
    rows = [row for row in rows if "epoch" in row]
    if len(rows) < 2:
        return "Too few sizes for an exponent."
    sizes = [row["case"][name] for row in rows]
    costs = {
        "time per epoch": [row["epoch"] for row in rows],
        "time per pass": [per_pass(row) for row in rows],
        "memory": [row["memory"] for row in rows],
    }
    sentences = [
        f"{cost} {exponent(sizes, of):.2f} ({exponent(sizes[-2:], of[-2:]):.2f})" for cost, of in costs.items()
    ]
    return f"Exponents of {name}, over all sizes (between the two largest): {', '.join(sentences)}."


def fits(rows: Sequence[Row]) -> str:
    """Seconds by stage, memory, and the scores beside those of linear methods."""
    head = ["samples", "channels", "sources", "map", "until training, s", "training, s", "epochs", "afterwards, s"]
    head += ["all, s", "memory, GiB", "estimated, GiB", "MCC: mean, worst", "SOBI", "best linear"]
    return table(head, [[*_size(row["case"]), *_fit(row)] for row in rows])


def _size(case: Row) -> list[str]:
    return [f"{case['T']:,}", str(case["m"]), str(case["n"]), case["mixing"]]


def _fit(row: Row) -> list[str]:
    if "seconds" not in row:
        return [no_result(row), *[""] * 9]
    start, training, after, every = (f"{row[name]:.0f}" for name in ("start", "training", "after", "seconds"))
    mcc = [f"{mean:.3f}, {worst:.3f}" for mean, worst in row["mcc"].values()]
    return [start, training, f"{row['epochs']}", after, every, gibi(row["memory"]), gibi(row["estimated"]), *mcc]


def network(rows: Sequence[Row]) -> str:
    """Two lines for each problem."""
    head = ["problem", "branches", "seeds", "mean MCC", "worst seed", "seconds, median", "epochs, median"]
    return table(head, [[row["case"]["problem"], row["case"]["network"], *_branches(row)] for row in rows])


def _branches(row: Row) -> list[str]:
    if "mcc" not in row:
        return [no_result(row), *[""] * 4]
    mcc, middle = row["mcc"], [np.median(row[name]) for name in ("seconds", "epochs")]
    return [str(len(mcc)), f"{np.mean(mcc):.4f}", f"{min(mcc):.4f}", *(f"{value:.0f}" for value in middle)]


def workers(rows: Sequence[Row]) -> str:
    """A line for each cluster, beside one worker's."""
    first = next((row for row in rows if row["case"]["cluster"] == ONE), {})
    head = ["cluster", "recordings", "done", "errors", "all, s", "recordings per minute", "times one worker"]
    head += ["seconds of work for one, median", "processor seconds: workers", "scheduler and client"]
    head += ["answers to the last bit those of one worker"]
    lines = [[row["case"]["cluster"], str(row["case"]["recordings"]), *_cluster(row, first)] for row in rows]
    return table(head, lines)


def _cluster(row: Row, first: Row) -> list[str]:
    if "seconds" not in row:
        return [no_result(row), *[""] * 8]
    counts = [str(row["done"]), str(len(row["errors"])), f"{row['seconds']:.0f}"]
    rate = f"{60 * row['done'] / row['seconds']:.1f}"
    times = f"{first['seconds'] / row['seconds']:.2f}" if "seconds" in first else ""
    same = ("yes" if row["digests"] == first["digests"] else "no") if "digests" in first else ""
    processor = row.get("processor") or {}  # a worker that was killed says nothing
    used = [f"{processor[who]:.1f}" if who in processor else "" for who in ("workers", "here")]
    return [*counts, rate, times, f"{np.median(row['work']):.1f}", *used, same]


PARTS: dict[str, tuple[str, tuple[str, ...], Callable[[Any], str]]] = {
    "machine": ("Machine", (), machines),
    "expect": ("What to expect", ("fits", "long"), expect.expected),
    "prior": ("The prior", ("prior",), prior_tables.timed),
    "exact": ("The prior, against the dense solver", ("prior",), prior_tables.checked),
    "epochs": ("An epoch", ("epochs",), epochs),
    "fits": ("Whole fits", ("fits",), fits),
    "long": ("Half an hour of 64 channels", ("long",), fits),
    "network": ("Convolutional branches on short recordings", ("network",), network),
    "workers": ("Workers", ("workers",), workers),
}
"""Titles, where the rows of each are, and what makes a table of them."""
