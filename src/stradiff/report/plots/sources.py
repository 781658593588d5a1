"""Plots of sources and of the states of their reverse diffusion, with bands (paper, figures 2 and 4 to 7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator
from scipy.stats import norm

from stradiff.assess.alignment import match_sources
from stradiff.errors import InputError, OptionError
from stradiff.report.plots.style import (
    BINS,
    INK,
    axis_label,
    band_envelope,
    colour,
    envelope,
    panel_axes,
    panel_title,
    shade_missing,
    source_names,
    time_label,
)

STATES = 5  # columns: the start, three intermediate states, the source
BAND = 1.96  # standard deviations on either side of a 95 % band
PATH_BINS = 500  # of the envelope in a narrow panel


def plot_sources(
    sources: np.ndarray,
    std: np.ndarray | None,
    times: np.ndarray,
    truth: np.ndarray | None = None,
    names: Sequence[str] | None = None,
    level: float = 0.95,
    *,
    missing: np.ndarray | None = None,
    time_unit: str = "samples",
    axes: Any = None,
) -> np.ndarray:
    """Draw the mean and the band of each source, one panel per source.

    Parameters
    ----------
    sources, std
        Mean and standard deviation of the sources, ``(T, n)`` each; without ``std`` no band is drawn.
    times
        Time axis ``(T,)``, in ``time_unit``.
    truth
        True sources, one panel each, drawn dashed. The estimates get their order, sign and scale, which no recording
        determines.
    names
        One name per source (of the truth, if given).
    level
        Probability of the band, between 0 and 1.
    missing
        ``(T,)`` True where values of the recording are missing: shaded.
    axes
        ``n`` axes to draw on; those of a new figure by default.

    Returns
    -------
    numpy.ndarray
        The axes drawn on, ``(n,)``.

    Raises
    ------
    OptionError
        When ``level`` is not between 0 and 1, or the number of axes is not ``n``.
    InputError
        When ``truth`` has another length than ``sources``, or ``names`` another number.
    """
    if not 0 < level < 1:
        raise OptionError(f"level={level} is not a probability; give a number between 0 and 1.")
    sources, times = np.asarray(sources, dtype=float), np.asarray(times)
    half = np.zeros_like(sources) if std is None else norm.ppf(0.5 + level / 2) * np.asarray(std, dtype=float)
    notes = [""] * sources.shape[1]
    if truth is not None:
        matching = match_sources(sources, truth)
        sources, half = matching.apply(sources), matching.apply_sd(half)
        notes = [f"   matched correlation {value:.4f}" for value in matching.correlation]
    n = sources.shape[1]
    panels = panel_axes(axes, n, 1, (9.0, 0.6 + 1.35 * n), sharex=True)
    for k, (ax, name) in enumerate(zip(panels, source_names(names, n), strict=True)):
        _curve_with_band(ax, times, sources[:, k], half[:, k], k, bins=BINS, linewidth=0.9)
        ax.margins(x=0.005)
        if missing is not None:
            shade_missing(ax, times, missing)
        if truth is not None:
            ax.plot(*envelope(times, np.asarray(truth)[:, k]), "--", color=INK, linewidth=0.8, label="truth")
        panel_title(ax, name + notes[k])
    if truth is not None:
        position = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0.1}
        panels[0].legend(**position, ncols=2, frameon=False, fontsize=8)
    axis_label(panels[-1], x=time_label(time_unit))
    return panels


def representative_steps(n_steps: int, states: int = STATES) -> np.ndarray:
    """Evenly spaced steps L, ..., 0 of a path of ``n_steps`` = L reverse steps, both ends included.

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
        Standard deviation of the states, ``(L + 1, T, n)``, or of the source x_0 alone, ``(T, n)``, for 95 % bands.
    names
        One name per source.
    title
        Title of a new figure.
    axes
        ``n`` rows by ``min(5, L + 1)`` columns of axes; those of a new figure by default.

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
    layout = (n * len(steps), len(steps), (width, height), margins | gaps)
    panels = panel_axes(axes, *layout, sharex=True, sharey="row").reshape(n, -1)
    if title and axes is None:
        position = {"x": margins["left"], "y": 1 - 0.06 / height, "ha": "left", "va": "top"}
        panels[0, 0].figure.suptitle(title, fontsize=10, color=INK, **position)
    for k, name in enumerate(source_names(names, n)):
        for ax, step in zip(panels[k], steps, strict=True):
            row = len(path) - 1 - step
            _curve_with_band(ax, times, path[row, :, k], bands[row, :, k], k, bins=PATH_BINS, linewidth=0.6)
            _path_ticks(ax, times)
        axis_label(panels[k, 0], y=name)
    for ax, step in zip(panels[0], steps, strict=True):
        panel_title(ax, f"$x_{{{step}}}$" + {len(path) - 1: "  start", 0: "  source"}.get(int(step), ""))
    for ax in panels[-1]:
        axis_label(ax, x=time_label(time_unit))
    return panels


def _bands(std: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """Half-widths of the bands of all states, ``(L + 1, T, n)``: zero without a standard deviation."""
    if std is None:
        return np.zeros(shape)
    std = np.asarray(std, dtype=float)
    if std.shape == shape:
        return BAND * std
    if std.shape != shape[1:]:
        raise InputError(
            f"std has shape {std.shape}; give that of the path, {shape}, or of its last state, {shape[1:]}."
        )
    half_widths = np.zeros(shape)
    half_widths[-1] = BAND * std
    return half_widths


def _curve_with_band(
    ax: Any, times: np.ndarray, mean: np.ndarray, half_width: np.ndarray, k: int, *, bins: int, linewidth: float
) -> None:
    """Mean of source ``k``, with its band if any."""
    if half_width.any():
        band = band_envelope(times, mean - half_width, mean + half_width, bins)
        ax.fill_between(*band, color=colour(k), alpha=0.28, linewidth=0)
    ax.plot(*envelope(times, mean, bins), color=colour(k), linewidth=linewidth, label="estimate")


def _path_ticks(ax: Any, times: np.ndarray) -> None:
    """Few ticks for narrow panels, none at the right end, where a label would overlap that of the next panel."""
    ax.margins(x=0.01)
    ticks = MaxNLocator(3).tick_values(times[0], times[-1])
    ax.set_xticks([tick for tick in ticks if 0 <= tick - times[0] <= 0.8 * (times[-1] - times[0])])
    ax.locator_params(axis="y", nbins=3)
