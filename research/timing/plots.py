"""Two pictures: what an epoch costs in every round, and how the correlation grows with the seconds."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from contest.plots import ACCENT, GIVEN, PLAIN, TICKS, stretched
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from timing import fits
from timing.rounds import MODULES
from timing.tables import Row, by_problem, of

COLOURS = (GIVEN, PLAIN, ACCENT)


def draw_epochs(rows: Sequence[Row]) -> Figure:
    """A point for every round, on a logarithmic scale."""
    shown = by_problem(rows)
    figure, panels = plt.subplots(
        len(shown), 1, figsize=(8, 1 + 1.5 * len(shown)), sharex=True, squeeze=False, layout="constrained"
    )
    for panel, (title, here) in zip(panels[:, 0], shown, strict=True):
        for place, (name, colour) in enumerate(zip(MODULES, COLOURS, strict=True)):
            milliseconds = 1e3 * of(name, here)
            panel.scatter(milliseconds, np.full(len(here), place), s=18, color=colour, alpha=0.6, lw=0)
        panel.set(xscale="log", yticks=range(len(MODULES)), yticklabels=list(MODULES), ylim=(len(MODULES) - 0.5, -0.5))
        panel.set_title(title, fontsize=10)
        _plain(panel, "x")
    panels[-1, 0].set_xlabel("milliseconds per epoch")
    return figure


def draw_fits(rows: Sequence[Row]) -> Figure:
    """Matched correlation against the time since ``fit`` was called; a dot where it comes near its end."""
    shown = by_problem(rows)
    figure, panels = plt.subplots(
        1,
        len(shown),
        figsize=(1 + 4.2 * len(shown), 3.8),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for panel, (title, here) in zip(panels[0], shown, strict=True):
        for row, colour in zip(here, COLOURS, strict=False):
            _, seconds, mcc = np.array(row["looks"]).T
            panel.plot(seconds, stretched(mcc), color=colour, lw=1.4, label=row["situation"])
            near = fits.good_from(row)[1]
            panel.plot(near, stretched(np.interp(near, seconds, mcc)), "o", color=colour, ms=5)
        panel.set(xscale="log", xlabel="seconds since fit was called")
        panel.xaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.set_yticks(stretched(np.array(TICKS)), [f"{tick:g}" for tick in TICKS], fontsize=8)
        panel.set_title(title, fontsize=10)
        _plain(panel, "both")
    panels[0, 0].set_ylabel("matched correlation (MCC)")
    panels[0, 0].legend(fontsize=8, frameon=False)
    return figure


def _plain(panel: plt.Axes, axis: str) -> None:
    panel.grid(axis=axis, color="#e4e4e4", lw=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


PICTURES = {
    "epochs": ("Milliseconds per epoch of three implementations", draw_epochs),
    "fits": ("Matched correlation against seconds since the call of fit", draw_fits),
}
