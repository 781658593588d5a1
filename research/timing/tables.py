"""The results as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pages import NOT_RUN

from timing import fits, roofline
from timing.one_process import STAGES
from timing.rounds import LIBRARY, MODULES

RUN = 10_000  # epochs of the paper
TITLES = {
    "machine": "Machine",
    "epochs": "An epoch",
    "fits": "A whole fit",
    "roofline": "What the machine allows",
    "parts": "Where an epoch goes",
}
MIXINGS = {"linear": "linear mixing", "leaky_relu": "leaky-ReLU mixing, the map a network"}

Results = dict[str, Any]
Row = dict[str, Any]


def page(results: Results) -> str:
    """Everything there is."""
    return "\n\n".join(f"## {title}\n\n{part(name, results)}" for name, title in TITLES.items())


def part(name: str, results: Results) -> str:
    """One part by its name."""
    tables = {"machine": machines, "epochs": epochs, "fits": whole_fits, "roofline": allowed, "parts": profile}
    chosen = results.get(name)
    return tables[name](chosen) if chosen else NOT_RUN


def machines(facts_of: dict[str, Row]) -> str:
    """Where the parts were measured, with what; a line for each machine where there are several."""
    described = {part: _machine(facts) for part, facts in facts_of.items()}
    every = sorted(set(described.values()))
    if len(every) == 1:
        return f"Measured on {every[0]}."
    parts_of = {one: ", ".join(f"`{part}`" for part in described if described[part] == one) for one in every}
    return "Measured by parts:\n\n" + "\n".join(f"* {parts_of[one]}: {one}." for one in every)


def _machine(facts: Row) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return f"{facts['cores']} cores of this processor: {facts['processor']}; {libraries}"


def epochs(rows: Sequence[Row]) -> str:
    """A table for each problem: seconds of an epoch, and how many times that of the library."""
    return "\n\n".join(_epochs(title, here) for title, here in by_problem(rows))


def _epochs(title: str, rows: Sequence[Row]) -> str:
    lines = [
        f"**{title}**, {len(rows)} rounds",
        "",
        "| computed by | ms per epoch, median | least to most | epochs per second | 10,000 epochs, extrapolated"
        " | times StrADiff, median | least to most |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in MODULES:
        seconds, times = of(name, rows), ratios(name, rows)
        middle = float(np.median(seconds))
        lines.append(
            f"| {name} | {_number(1e3 * middle)} | {_range(1e3 * seconds)} | {_number(1 / middle)}"
            f" | {_duration(RUN * middle)} | {_number(np.median(times))} | {_range(times)} |"
        )
    return "\n".join(lines)


def of(name: str, rows: Sequence[Row]) -> np.ndarray:
    """Seconds of an epoch in every round."""
    return np.array([row["seconds"][name] for row in rows])


def ratios(name: str, rows: Sequence[Row]) -> np.ndarray:
    """How many times the library's epoch of the same round."""
    return of(name, rows) / of(LIBRARY, rows)


def whole_fits(rows: Sequence[Row]) -> str:
    """A table for each problem, a line for each situation; times count from the call of ``fit``."""
    return "\n\n".join(_fits(title, here) for title, here in by_problem(rows))


def _fits(title: str, rows: Sequence[Row]) -> str:
    lines = [
        f"**{title}**, default preset",
        "",
        f"| | importing, s | training begins, s | MCC within {fits.NEAR:g} of the end's, s | at epoch"
        " | training ends, s | epochs | all done, s | MCC of the answer |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        epoch, seconds = fits.good_from(row)
        lines.append(
            f"| {row['situation']} | {_imported(row)} | {_tenths(fits.begins(row))} | {seconds:.1f} | {epoch}"
            f" | {row['looks'][-1][1]:.1f} | {row['epochs']} | {row['seconds']:.1f} | {row['mcc']:.4f} |"
        )
    if not rows[0]["files_kept"]:
        lines += ["", "No compiled program was kept on disk: on this processor JAX would not take them back."]
    return "\n".join([*lines, "", *_beginnings(rows)])


def _beginnings(rows: Sequence[Row]) -> list[str]:
    """Where the time goes until training begins: what Python writes down, what XLA does with it, and all else."""
    lines = [
        "| until training begins | s | traced | lowered | compiled, or loaded | computed |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        every, programs = fits.begins(row), row["programs"]
        spent = [every, *(programs[stage] for stage in STAGES.values()), every - sum(programs.values())]
        lines.append(f"| {row['situation']} | " + " | ".join(map(_tenths, spent)) + " |")
    return lines


def _imported(row: Row) -> str:
    return "" if row["situation"] == fits.SITUATIONS[1] else f"{row['import_seconds']:.1f}"


def allowed(rows: Sequence[Row]) -> str:
    """Least work, speed of the machine, bound and share, a column for each problem."""
    columns = [_allowed(row) for row in rows]
    head = "| | " + " | ".join(MIXINGS[row["problem"]] for row in rows) + " |"
    lines = [head, "|---" * (len(rows) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(column[name] for column in columns) + " |" for name in columns[0]]
    return "\n".join(lines)


def _allowed(row: Row) -> dict[str, str]:
    least, xla, bound = row["least"], row["xla"], roofline.bound(row)
    return {
        "parameters": f"{row['parameters']:,}",
        "least bytes of an epoch (XLA's account)": f"{least['bytes'] / 1e6:.1f} MB ({xla['bytes'] / 1e6:.1f} MB)",
        "least operations (XLA's account)": f"{least['flops'] / 1e6:.0f} million ({xla['flops'] / 1e6:.0f} million)",
        f"bandwidth, triad over {row['held'] / 1e6:.1f} MB": f"{row['bandwidth'] / 1e9:.1f} GB/s",
        "bandwidth far from all caches": f"{row['bandwidth_far'] / 1e9:.1f} GB/s",
        "peak, product of matrices": f"{row['peak'] / 1e9:.0f} GFLOP/s",
        "bound by bytes": f"{1e3 * bound['bytes']:.2f} ms",
        "bound by operations": f"{1e3 * bound['flops']:.2f} ms",
        "an epoch takes": f"{1e3 * row['epoch']:.2f} ms",
        "share of the speed that the bound allows": f"{roofline.share(row):.0%}",
    }


def profile(rows: Sequence[Row]) -> str:
    """Milliseconds of every part of an epoch, a column for each problem."""
    lines = ["| ms | " + " | ".join(MIXINGS[row["problem"]] for row in rows) + " |", "|---" * (len(rows) + 1) + "|"]
    for name in sorted(rows[0]["seconds"], key=lambda name: -rows[0]["seconds"][name]):
        lines.append(f"| {name} | " + " | ".join(f"{1e3 * row['seconds'][name]:.2f}" for row in rows) + " |")
    return "\n".join(lines)


def by_problem(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    chosen = {name: [row for row in rows if row["problem"] == name] for name in MIXINGS}
    return [(MIXINGS[name], own) for name, own in chosen.items() if own]


def _number(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _tenths(seconds: float) -> str:
    """What is a difference may be nothing, and then a little less."""
    return f"{round(seconds, 1) + 0.0:.1f}"


def _range(values: np.ndarray) -> str:
    return f"{_number(values.min())}–{_number(values.max())}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
