"""A picture per tier: every source of every seed as a point, by method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contest.methods import DEFAULT, ORACLE
from contest.problems import Problem
from contest.tables import by_method, of
from contest.targets import Row, Scores
from contest.tiers import TIERS, Tier

COLUMNS = 3
PERFECT = 1e-5  # anything closer to 1 is drawn there: what is left is rounding
TICKS = (0.0, 0.5, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999)
ACCENT, PLAIN, GIVEN = "#0072b2", "#8a8a8a", "#d55e00"


def save(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Draw every tier of which there are rows; the files written."""
    paths = []
    for tier in TIERS.values():
        figure = draw_tier(tier, rows)
        if figure is not None:
            paths.append(folder / f"accuracy-{tier.name}.png")
            figure.savefig(paths[-1], dpi=110, metadata={"Software": None})
            plt.close(figure)
    return paths


def draw_tier(tier: Tier, rows: Sequence[Row]) -> Figure | None:
    """One panel per problem; None where nothing was run."""
    every = [(problem, by_method(of(problem, tier, rows))) for problem in tier.problems]
    shown = [(problem, scores) for problem, scores in every if scores]
    if not shown:
        return None
    across = min(COLUMNS, len(shown))
    down = -(-len(shown) // across)
    figure, panels = plt.subplots(
        down, across, figsize=(1 + 3.6 * across, 3.9 * down), squeeze=False, layout="constrained"
    )
    for panel in panels.flat[len(shown) :]:
        panel.remove()
    for panel, (problem, scores) in zip(panels.flat, shown, strict=False):
        draw_problem(panel, problem, scores)
    for row in panels:
        row[0].set_ylabel("|correlation| of each source", fontsize=9)
    return figure


def draw_problem(panel: Axes, problem: Problem, scores: Scores) -> None:
    """Points spread by seed, the median over seeds and sources as a bar; the scale widens towards 1."""
    for place, (method, rows) in enumerate(scores.items()):
        values = np.array([row["pearson"] for _, row in sorted(rows.items())])
        colour = {DEFAULT: ACCENT, ORACLE: GIVEN}.get(method, ACCENT if method.startswith(DEFAULT) else PLAIN)
        beside = np.linspace(-0.25, 0.25, len(values)) if len(values) > 1 else np.zeros(1)
        panel.scatter(
            np.repeat(place + beside, values.shape[1]), stretched(values.ravel()), s=9, color=colour, alpha=0.6, lw=0
        )
        panel.hlines(stretched(np.median(values)), place - 0.35, place + 0.35, color=colour, lw=2)
    panel.set_xticks(
        range(len(scores)), [name.removeprefix(f"{DEFAULT}, ") for name in scores], rotation=90, fontsize=8
    )
    panel.set_yticks(stretched(np.array(TICKS)), [f"{tick:g}" for tick in TICKS], fontsize=8)
    panel.set_ylim(stretched(np.array(0.0)) - 0.05, stretched(np.array(1.0)) + 0.15)
    panel.grid(axis="y", color="#e4e4e4", lw=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    panel.set_title(problem.name, fontsize=10)


def stretched(correlation: np.ndarray | float) -> np.ndarray:
    """``-log10(1 - r)``: 0.9, 0.99 and 0.999 stand at 1, 2 and 3."""
    return -np.log10(np.maximum(1 - np.asarray(correlation), PERFECT))
