"""The tables and pictures of the pages for users, made from the results of the benchmarks.

    python research/user_pages.py            # README.md and pages of docs/
    python research/user_pages.py --print    # print the tables only

Every number on these pages stands between two comments, as in ``pages.py``, and comes from ``research/results``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pages import filled

ROOT = Path(__file__).parents[1]
RESULTS, IMAGES = ROOT / "research" / "results", ROOT / "docs" / "images"
PAGES = ("README.md", "docs/accuracy.md", "docs/speed.md", "docs/uncertainty.md", "docs/reliability.md")
KIND = "measured"

DEFAULT = "StrADiff"
METHODS = ("FastICA", "SOBI", DEFAULT, "best linear (oracle)")
COLOURS = ("#8a8a8a", "#4d4d4d", "#0072b2", "#d55e00")
PROBLEMS = {
    "linear, condition 3": "linear, no noise",
    "linear, 10 % noise, m = 6": "linear, 10 % noise, 6 channels",
    "sparse sources": "linear, sparse sources",
    "multimodal sources": "linear, multimodal sources",
    "linear, n = 20": "linear, 20 sources",
    "leaky-ReLU, 2 layers": "leaky-ReLU network",
    "leaky-ReLU, 10 % noise": "leaky-ReLU network, 10 % noise",
    "tanh": "tanh network",
    "post-nonlinear": "saturating sensors",
    "real, post-nonlinear": "saturating sensors, real sources",
    "leaky-ReLU, 3 layers, m = 6": "deeper network, 6 channels",
}
"""Of ``accuracy.json``, and their names for users."""
IN_SHORT = ("linear, condition 3", "linear, 10 % noise, m = 6", "leaky-ReLU, 2 layers", "tanh", "post-nonlinear")

COVERAGE = {
    "model, m = 6": "sources of the prior, linear mixing",
    "model, leaky-ReLU, m = 6": "sources of the prior, leaky-ReLU network",
    "autoregressive sources": "autoregressive sources, linear mixing",
    "artificial sources": "artificial sources, linear mixing",
    "tanh mixing": "artificial sources, tanh network",
}
"""Of ``coverage.json``, and their names for users."""
LEVEL_95 = 2
MAPS = {"linear": "linear", "mlp": "nonlinear"}
Rows = list[dict[str, Any]]


def read(name: str) -> Any:
    """The results of a benchmark."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows).replace("| --- ", "|---").replace("--- |", "---|")


# --- accuracy ------------------------------------------------------------------------------------------------


def scores(rows: Rows, problem: str, method: str) -> np.ndarray:
    """Mean correlation over the sources of every recording; empty where a method was not run."""
    mine = [row for row in rows if row["problem"] == problem and row["method"] == method and "error" not in row]
    return np.array([np.mean(row["pearson"]) for row in mine])


def accuracy_table(problems: Sequence[str]) -> str:
    """Median over recordings, the worst recording in brackets."""
    rows = read("accuracy")
    lines = [[PROBLEMS[name], *(_median(scores(rows, name, method)) for method in METHODS)] for name in problems]
    return table(["mixing", *METHODS], lines)


def _median(values: np.ndarray) -> str:
    return f"{np.median(values):.3f} ({values.min():.3f})" if len(values) else ""


def draw_accuracy() -> Figure:
    """A line for each kind of recording; the scale widens towards 1."""
    rows, names = read("accuracy"), list(PROBLEMS)
    figure, panel = plt.subplots(figsize=(8.5, 4.6), layout="constrained")
    for method, colour, offset in zip(METHODS, COLOURS, (-0.24, -0.08, 0.08, 0.24), strict=True):
        chosen = [(place, scores(rows, name, method)) for place, name in enumerate(names)]
        for place, values in chosen:
            panel.scatter(_stretched(values), np.full(len(values), place + offset), s=10, color=colour, alpha=0.4, lw=0)
        medians = [_stretched(np.median(values)) for _, values in chosen]
        panel.scatter(medians, np.arange(len(names)) + offset, s=36, color=colour, marker="D", label=method)
    panel.set_yticks(range(len(names)), list(PROBLEMS.values()))
    panel.invert_yaxis()
    ticks = np.array([0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999])
    panel.set_xticks(_stretched(ticks), [f"{tick:g}" for tick in ticks])
    panel.set_xlabel("mean correlation with the true sources (diamonds: medians)")
    figure.legend(loc="outside upper center", ncols=len(METHODS), frameon=False)
    return _plain(figure, panel)


def _stretched(correlation: np.ndarray | float) -> np.ndarray:
    return -np.log10(np.maximum(1 - np.asarray(correlation), 1e-5))


# --- speed ---------------------------------------------------------------------------------------------------


def whole_fits() -> Rows:
    """Fits of the default settings that compile everything anew, shortest recording first."""
    results = read("scale")
    rows = [row for row in (*results["fits"], *results["long"]) if "seconds" in row]
    return sorted(rows, key=lambda row: (row["case"]["mixing"], row["case"]["T"], row["case"]["n"]))


def speed_table() -> str:
    """Time and memory by size."""
    lines = []
    for row in whole_fits():
        case = row["case"]
        size = [f"{case['T']:,}", str(case["m"]), str(case["n"]), MAPS[case["mixing"]]]
        lines.append([*size, _duration(row["seconds"]), f"{row['memory'] / 2**30:.1f} GiB"])
    return table(["samples", "channels", "sources", "mixing", "time", "memory"], lines)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def draw_speed() -> Figure:
    """Where the minutes of a fit go."""
    rows = whole_fits()
    figure, panel = plt.subplots(figsize=(8.5, 3.4), layout="constrained")
    left = np.zeros(len(rows))
    stages = {"start": "compilation and initialisation", "training": "training", "after": "posterior"}
    for (stage, label), colour in zip(stages.items(), COLOURS[::2] + COLOURS[3:], strict=True):
        minutes = np.array([row[stage] for row in rows]) / 60
        panel.barh(range(len(rows)), minutes, left=left, color=colour, label=label)
        left += minutes
    cases = [row["case"] for row in rows]
    names = [f"{case['T']:,} × {case['m']}, n = {case['n']}, {MAPS[case['mixing']]}" for case in cases]
    panel.set_yticks(range(len(rows)), names)
    panel.invert_yaxis()
    panel.set_xlabel("minutes on two processor cores")
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return _plain(figure, panel)


# --- uncertainty ---------------------------------------------------------------------------------------------


def coverage_table() -> str:
    """Share of the true values inside 95 % bands, mean over recordings and sources."""
    rows, lines = read("coverage"), []
    for case, name in COVERAGE.items():
        mine = [row for row in rows if row["case"] == case]
        cells = [100 * np.mean([row[kind][LEVEL_95] for row in mine]) for kind in ("laplace", "monte-carlo")]
        lines.append([name, *(f"{cell:.0f} %" for cell in cells)])
    return table(["recording", "laplace", "monte-carlo"], lines)


# --- reliability ---------------------------------------------------------------------------------------------


def fuzz_table() -> str:
    """What became of damaged files of every kind."""
    lines = [
        [kind, *(f"{counts[name]:,}" for name in ("inputs", "read", "refused", "failures"))]
        for kind, counts in read("fuzz")["kinds"].items()
    ]
    return table(["file", "damaged", "read", "refused in a sentence", "failures"], lines)


# --- pages ---------------------------------------------------------------------------------------------------


def _plain(figure: Figure, panel: Axes) -> Figure:
    panel.grid(axis="x", color="#e4e4e4", lw=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    return figure


TABLES: dict[str, Callable[[], str]] = {
    "accuracy": lambda: accuracy_table(list(PROBLEMS)),
    "accuracy_in_short": lambda: accuracy_table(IN_SHORT),
    "speed": speed_table,
    "coverage": coverage_table,
    "fuzz": fuzz_table,
}
PICTURES: dict[str, Callable[[], Figure]] = {"accuracy": draw_accuracy, "speed": draw_speed}


def up_to_date(page: str) -> str:
    """``page`` with the table NAME between ``<!-- measured: NAME -->`` and ``<!-- end of measured -->``."""
    return filled(page, KIND, lambda name: TABLES[name]())


def main() -> None:
    """Print the tables; bring pages and pictures up to date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", help="print the tables and change no page")
    arguments = parser.parse_args()
    print("\n\n".join(made() for made in TABLES.values()))
    if arguments.print:
        return
    for name, draw in PICTURES.items():
        figure = draw()
        figure.savefig(IMAGES / f"{name}.png", dpi=110, metadata={"Software": None})
        plt.close(figure)
    for name in PAGES:
        page = ROOT / name
        page.write_text(up_to_date(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
