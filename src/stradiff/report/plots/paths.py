"""The reverse diffusion of every source, from the start x_L to the source x_0 (paper, figures 4 to 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from stradiff.errors import InputError
from stradiff.report.plots.style import (
    INK,
    axis_label,
    band_envelope,
    colour,
    envelope,
    headline,
    panel_axes,
    source_names,
    time_label,
)

STATES = 5  # columns: the start, three on the way, the source
BAND = 1.96  # standard deviations on either side of a 95 % band
THIN = 500  # envelope bins in a panel this narrow


def representative_steps(n_steps: int, states: int = STATES) -> np.ndarray:
    """Steps L, ..., 0 shown of a path of ``n_steps`` = L reverse steps: evenly spread, both ends included.

    >>> [int(step) for step in representative_steps(20)]
    [20, 15, 10, 5, 0]
    """
    return np.unique(np.linspace(0, n_steps, min(states, n_steps + 1)).round().astype(int))[::-1]


def plot_diffusion_path(
    path: np.ndarray,
    times: np.ndarray,
    std: np.ndarray | None = None,
    names: Sequence[str] | None = None,
    *,
    time_unit: str = "samples",
    title: str | None = None,
    axes: Any = None,
) -> np.ndarray:
    """Draw representative states of the reverse path: a row per source, columns from x_L to x_0.

    Parameters
    ----------
    path
        States ``(L + 1, T, n)``, x_L first and x_0 last.
    times
        Time axis ``(T,)``, in ``time_unit``.
    std
        Standard deviation of the states, ``(L + 1, T, n)``, or of the source x_0 alone, ``(T, n)``, drawn
        as 95 % bands.
    names
        One name per source.
    title
        Line above a new figure.
    axes
        ``n`` rows by ``min(5, L + 1)`` columns of axes; those of a new figure when absent.

    Returns
    -------
    numpy.ndarray
        The axes drawn on, ``(n, columns)``.
    """
    path, times = np.asarray(path, dtype=float), np.asarray(times)
    n = path.shape[2]
    steps = representative_steps(len(path) - 1)
    bands = _bands(std, path.shape)
    width, height = 9.0, 0.75 + 1.05 * n
    top = 1 - (0.5 if title else 0.25) / height
    margins = {"left": 0.8 / width, "right": 1 - 0.1 / width, "bottom": 0.5 / height, "top": top}
    gaps = {"wspace": 0.1, "hspace": 0.16}
    every = (n * len(steps), len(steps), (width, height), margins | gaps)
    panels = panel_axes(axes, *every, sharex=True, sharey="row").reshape(n, -1)
    if title and axes is None:
        where = {"x": margins["left"], "y": 1 - 0.06 / height, "ha": "left", "va": "top"}
        panels[0, 0].figure.suptitle(title, fontsize=10, color=INK, **where)
    for k, name in enumerate(source_names(names, n)):
        for ax, step in zip(panels[k], steps, strict=True):
            at = len(path) - 1 - step
            _state(ax, times, path[at, :, k], bands[at, :, k], k)
        axis_label(panels[k, 0], y=name)
    for ax, step in zip(panels[0], steps, strict=True):
        headline(ax, f"$x_{{{step}}}$" + {len(path) - 1: "  start", 0: "  source"}.get(int(step), ""))
    for ax in panels[-1]:
        axis_label(ax, x=time_label(time_unit))
    return panels


def _bands(std: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """Half-widths of the bands for every state, ``(L + 1, T, n)``: zero where no spread was given."""
    if std is None:
        return np.zeros(shape)
    std = np.asarray(std, dtype=float)
    if std.shape == shape:
        return BAND * std
    if std.shape != shape[1:]:
        raise InputError(f"Spreads of shape {std.shape} fit neither the path {shape} nor its last state {shape[1:]}.")
    half = np.zeros(shape)
    half[-1] = BAND * std
    return half


def _state(ax: Any, times: np.ndarray, state: np.ndarray, half: np.ndarray, k: int) -> None:
    """One state of one source, with its band where there is one."""
    if half.any():
        band = band_envelope(times, state - half, state + half, THIN)
        ax.fill_between(*band, color=colour(k), alpha=0.28, linewidth=0)
    ax.plot(*envelope(times, state, THIN), color=colour(k), linewidth=0.6)
    ax.margins(x=0.01)
    ticks = MaxNLocator(3).tick_values(times[0], times[-1])
    # A number at the right end would meet the first one of the next panel.
    ax.set_xticks([tick for tick in ticks if 0 <= tick - times[0] <= 0.8 * (times[-1] - times[0])])
    ax.locator_params(axis="y", nbins=3)
