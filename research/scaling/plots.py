"""Two pictures: the prior beside an FFT, and time and memory of training along every line."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import matplotlib.pyplot as plt
from contest.plots import ACCENT, GIVEN, PLAIN
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from scaling.epochs import LINES, per_pass
from scaling.one_process import Row
from scaling.prior import USUAL
from scaling.prior_tables import by_kind, ratio

GIBI = 2**30
MARKERS = "o^sDvP<X>*phHd81234"


def draw_prior(rows: Sequence[Row]) -> Figure:
    """FFTs that the value and the gradient take, against T."""
    figure, panel = plt.subplots(figsize=(8.5, 4.8), layout="constrained")
    for same, marker in zip(by_kind([row for row in rows if "seconds" in row]), cycle(MARKERS)):
        sizes, kind = [row["case"]["T"] for row in same], same[0]["case"]
        rbf, irregular = kind["kernel"] == "rbf", kind["grid"] == "irregular"
        usual = not rbf and kind["length"] == USUAL
        words = (kind["kernel"], "" if usual else kind["length"], "irregular times" if irregular else "")
        style = {"marker": marker, "ls": "--" if irregular else "-", "label": ", ".join(filter(None, words))}
        colour, above = (ACCENT, 2) if rbf else (PLAIN, 1)
        panel.plot(sizes, [ratio(row) for row in same], ms=5, lw=1, color=colour, zorder=above, **style)
    panel.set(xscale="log", yscale="log", xlabel="samples T", ylabel="real FFTs of length 2T")
    figure.legend(fontsize=8, frameon=False, loc="outside right center")
    _plain(panel)
    return figure


def draw_epochs(rows: Sequence[Row]) -> Figure:
    """Milliseconds of an epoch and of a pass above, memory taken and estimated below; a column for each line."""
    lines = {line: [row for row in rows if row["case"]["line"] == line and "epoch" in row] for line in LINES}
    shown = [(line, own) for line, own in lines.items() if own]
    figure, panels = plt.subplots(
        2,
        len(shown),
        figsize=(1 + 2.6 * len(shown), 5),
        sharex="col",
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    for (above, below), (line, own) in zip(panels.T, shown, strict=True):
        sizes = [row["case"][line.partition(",")[0]] for row in own]
        above.plot(sizes, [1e3 * row["epoch"] for row in own], "o-", ms=3, lw=1, color=ACCENT, label="an epoch")
        above.plot(sizes, [1e3 * per_pass(row) for row in own], "o--", ms=3, lw=1, color=GIVEN, label="a pass")
        below.plot(sizes, [row["memory"] / GIBI for row in own], "o-", ms=3, lw=1, color=ACCENT, label="taken")
        below.plot(sizes, [row["estimated"] / GIBI for row in own], "o--", ms=3, lw=1, color=PLAIN, label="estimated")
        below.set_xlabel(line)
        for panel in (above, below):
            panel.set(xscale="log", yscale="log")
            panel.xaxis.set_minor_formatter(NullFormatter())  # else the names of a short axis run into each other
            _plain(panel)
    panels[0, 0].set_ylabel("milliseconds")
    panels[1, 0].set_ylabel("GiB")
    for panel in panels[:, 0]:
        panel.legend(fontsize=8, frameon=False)
    return figure


def _plain(panel: plt.Axes) -> None:
    panel.grid(color="#e4e4e4", lw=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


PICTURES = {
    "prior": ("FFTs that the prior takes, against the samples of a recording", draw_prior),
    "epochs": ("Time and memory against samples, sources, channels and steps", draw_epochs),
}
