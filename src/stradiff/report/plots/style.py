"""Common elements of all plots: colours, axes, figures outside pyplot, decimation of long curves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from stradiff.errors import InputError, OptionError

# Okabe and Ito (2008): distinct in every common form of colour blindness, dark enough for thin lines.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#404040")
DASHES = ("-", "--", ":")  # with seven colours, twenty-one distinct styles
INK = "#222222"
MUTED = "#767676"
MISSING = "#E4E4E4"
BINS = 2000  # about one minimum and one maximum per pixel of the widest plot


def colour(k: int) -> str:
    """Colour of source ``k``, the same in every plot."""
    return PALETTE[k % len(PALETTE)]


def line_style(k: int) -> dict[str, Any]:
    """Colour and dash of source ``k`` among several sources on the same axes."""
    return {"color": colour(k), "linestyle": DASHES[k // len(PALETTE) % len(DASHES)], "linewidth": 1.1}


def source_names(names: Sequence[str] | None, n: int) -> tuple[str, ...]:
    """The given names, or "source 1" to "source n"; InputError for a wrong number of names."""
    if names is None:
        return tuple(f"source {k + 1}" for k in range(n))
    if len(names) != n:
        raise InputError(f"{len(names)} names were given for {n} curves; give one name each.")
    return tuple(names)


def one_axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """The given axes, or those of a new figure of ``size`` inches outside pyplot."""
    return style_axes(Figure(figsize=size, layout="constrained").add_subplot() if ax is None else ax)


def panel_axes(
    axes: Any,
    n: int,
    columns: int,
    size: tuple[float, float],
    margins: dict[str, float] | None = None,
    **options: Any,
) -> np.ndarray:
    """The given ``n`` axes, or those of a new figure of ``size`` inches with ``columns`` panels in a row.

    Without ``margins`` the layout is computed, which takes seconds for a hundred panels. Any other number of axes than
    ``n`` is an OptionError.
    """
    if axes is None:
        figure = Figure(figsize=size, layout="constrained" if margins is None else None)
        rows = -(-n // columns)
        axes = figure.subplots(rows, columns, squeeze=False, gridspec_kw=margins, **options).ravel()
        for unused in axes[n:]:
            unused.remove()
        axes = axes[:n]
    panels = np.array(axes, dtype=object).ravel()
    if panels.size != n:
        raise OptionError(f"The plot has {n} panels, but {panels.size} axes are given; pass one for each panel.")
    for ax in panels:
        style_axes(ax)
    return panels


def style_axes(ax: Axes) -> Axes:
    """Two spines, small ticks, a pale grid."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(MUTED)
    ax.tick_params(labelsize=8, color=MUTED, labelcolor=INK, length=3)
    ax.grid(True, color="#e6e6e6", linewidth=0.6)
    ax.set_axisbelow(True)
    return ax


def panel_title(ax: Axes, text: str) -> None:
    """Title of a panel, small, at the left."""
    ax.set_title(text, loc="left", fontsize=9, color=INK, pad=4)


def axis_label(ax: Axes, *, x: str | None = None, y: str | None = None) -> None:
    """Axis labels in small print."""
    if x is not None:
        ax.set_xlabel(x, fontsize=8.5, color=INK)
    if y is not None:
        ax.set_ylabel(y, fontsize=8.5, color=INK)


def legend(ax: Axes, n_entries: int) -> None:
    """Legend beside the axes, in as many columns as it needs."""
    position: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.005, 1.02), "borderaxespad": 0.2}
    ax.legend(**position, ncols=1 + (n_entries - 1) // 12, frameon=False, fontsize=8, handlelength=1.8)


def colour_bar(image: AxesImage, axes: list[Axes], label: str, **options: Any) -> None:
    """Colour bar of an image beside these axes."""
    bar = axes[0].figure.colorbar(image, ax=axes, **options)
    bar.set_label(label, fontsize=8.5, color=INK)
    bar.ax.tick_params(labelsize=8)


def shade_missing(ax: Axes, times: np.ndarray, missing: np.ndarray, low: float = 0.0, height: float = 1.0) -> None:
    """Shade times ``(T,)`` with missing values, over all of the axes or over ``height`` from ``low`` in data units."""
    if not missing.any():
        return
    middles = (times[1:] + times[:-1]) / 2  # a sample extends half way to its neighbours
    edges = np.concatenate([times[:1], middles, times[-1:]])
    steps = np.diff(np.concatenate([[False], missing, [False]]).astype(int))
    starts, ends = edges[np.flatnonzero(steps == 1)], edges[np.flatnonzero(steps == -1)]
    transform = ax.get_xaxis_transform() if (low, height) == (0.0, 1.0) else ax.transData
    spans = list(zip(starts, ends - starts, strict=True))
    ax.broken_barh(spans, (low, height), facecolor=MISSING, linewidth=0, zorder=0.5, transform=transform)


def time_label(time_unit: str) -> str:
    """Label of a time axis: "time (s)", or "sample" without a sampling rate."""
    return "sample" if time_unit == "samples" else f"time ({time_unit})"


def envelope(times: np.ndarray, curve: np.ndarray, bins: int = BINS) -> tuple[np.ndarray, np.ndarray]:
    """Decimate a long curve to the minimum and maximum of each of ``bins`` intervals.

    Returns times and values, at most ``2 * bins`` each, in the order of time; a curve ``(T,)`` of at most four samples
    in an interval is returned unchanged.
    """
    if len(curve) <= 4 * bins:
        return times, curve
    edges = np.linspace(0, len(curve), bins + 1).astype(int)
    high, low = np.nan_to_num(curve, nan=np.inf), np.nan_to_num(curve, nan=-np.inf)  # a gap is no extreme
    extremes = np.array([(a + high[a:b].argmin(), a + low[a:b].argmax()) for a, b in pairwise(edges)])
    indices = np.sort(extremes, axis=1).ravel()
    return times[indices], curve[indices]


def band_envelope(
    times: np.ndarray, lower: np.ndarray, upper: np.ndarray, bins: int = BINS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Decimate a band ``lower <= upper``, each ``(T,)``, to its widest extent in each of ``bins`` intervals."""
    if len(lower) <= 4 * bins:
        return times, lower, upper
    starts = np.linspace(0, len(lower), bins + 1).astype(int)[:-1]
    return times[starts], np.minimum.reduceat(lower, starts), np.maximum.reduceat(upper, starts)
