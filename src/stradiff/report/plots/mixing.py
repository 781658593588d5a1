"""Plots of the mixing: the matrix of a linear map, response curves of any other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from stradiff.report.plots.style import (
    INK,
    axis_label,
    colour,
    colour_bar,
    legend,
    one_axes,
    panel_axes,
    panel_title,
    source_names,
)

MOST_LABELLED = 160  # cells: more are too small for a number
RESPONSE_COLUMNS = 4
MOST_CURVES = 12  # channels: more are drawn as an image, or without a legend


def plot_mixing(
    mixing: np.ndarray,
    channel_names: Sequence[str],
    names: Sequence[str] | None = None,
    *,
    units: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a linear mixing matrix: red for positive weights, blue for negative ones, white for zero.

    Parameters
    ----------
    mixing
        Matrix ``(m, n)``: the amplitude in a channel of one standard deviation of a source.
    channel_names, names
        Names of the ``m`` rows and the ``n`` columns.
    units
        Unit of the channels, for the colour bar.
    ax
        Axes to draw on; those of a new figure by default.
    """
    mixing = np.asarray(mixing, dtype=float)
    m, n = mixing.shape
    ax = one_axes(ax, (min(9.0, 2.6 + 0.8 * n), 1.2 + max(1.2, 0.3 * m)))
    limit = float(np.abs(mixing).max()) or 1.0
    image = ax.imshow(mixing, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    ax.grid(False)
    ax.set_xticks(range(n), source_names(names, n), rotation=0 if n <= 8 else 90)
    ax.set_yticks(range(m), source_names(channel_names, m))
    if m * n <= MOST_LABELLED:
        decimals = int(np.clip(2 - np.floor(np.log10(limit)), 0, 6))
        for (j, k), weight in np.ndenumerate(mixing):
            text_colour = "white" if abs(weight) > 0.6 * limit else INK
            ax.text(k, j, f"{weight:.{decimals}f}", ha="center", va="center", fontsize=7.5, color=text_colour)
    colour_bar(image, [ax], "weight" + (f" ({units})" if units else ""), shrink=0.9, aspect=25)
    return ax


def plot_responses(
    levels: np.ndarray,
    responses: np.ndarray,
    channel_names: Sequence[str],
    names: Sequence[str] | None = None,
    *,
    units: str | None = None,
    axes: Any = None,
) -> np.ndarray:
    """Draw the response of the channels of a nonlinear map to each source alone, with the others at zero.

    The response is the change from the channels' values with all sources at zero: curves for up to twelve channels,
    images for more.

    Parameters
    ----------
    levels
        Values of the source ``(G,)``, in its standard deviations.
    responses
        Channels at those levels, ``(n, G, m)``, in the recording's units.
    channel_names, names
        Names of the ``m`` channels and the ``n`` sources.
    axes
        ``n`` axes; those of a new figure by default.

    Returns
    -------
    numpy.ndarray
        The axes drawn on, ``(n,)``.
    """
    levels, responses = np.asarray(levels, dtype=float), np.asarray(responses, dtype=float)
    n, _, m = responses.shape
    change = responses - responses[:, [np.abs(levels).argmin()], :]
    columns = min(n, RESPONSE_COLUMNS)
    panels = panel_axes(axes, n, columns, (9.0, 0.8 + 1.9 * -(-n // columns)), sharey=True)
    names, channels = source_names(names, n), source_names(channel_names, m)
    unit = f" ({units})" if units else ""
    for ax, curves, name in zip(panels, change, names, strict=True):
        panel_title(ax, name)
        axis_label(ax, x="level of the source (sd)")
        if m <= MOST_CURVES:
            for j, channel in enumerate(channels):
                ax.plot(levels, curves[:, j], color=_channel_colour(j, m), linewidth=1.0, label=channel)
    for ax in panels[::columns]:
        axis_label(ax, y="change of the channels" + unit if m <= MOST_CURVES else "channel, first on top")
    if m <= MOST_CURVES:
        legend(panels[columns - 1], m)
    else:
        _response_images(panels, levels, change, unit)
    return panels


def plot_curves(
    levels: np.ndarray,
    curves: np.ndarray,
    channel_names: Sequence[str],
    *,
    units: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the nonlinearity of each channel of a post-nonlinear map: its value by the weighted sum of sources.

    The value is the change from the middle level; a straight line is a linear channel.

    Parameters
    ----------
    levels
        Levels of the weighted sums ``(G,)``, in their standard deviations.
    curves
        Channels at those levels, ``(G, m)``, in the recording's units.
    channel_names
        Names of the ``m`` channels.
    """
    levels, curves = np.asarray(levels, dtype=float), np.asarray(curves, dtype=float)
    m = curves.shape[1]
    ax = one_axes(ax, (6.5, 3.2))
    for j, channel in enumerate(source_names(channel_names, m)):
        change = curves[:, j] - curves[np.abs(levels).argmin(), j]
        ax.plot(levels, change, color=_channel_colour(j, m), linewidth=1.2, label=channel)
    axis_label(ax, x="weighted sum of the sources (sd)", y="change of the channel" + (f" ({units})" if units else ""))
    if m <= MOST_CURVES:
        legend(ax, m)
    return ax


def _response_images(panels: np.ndarray, levels: np.ndarray, change: np.ndarray, unit: str) -> None:
    """Images for many channels: one row per channel, the change as colour."""
    m, limit = change.shape[2], float(np.abs(change).max()) or 1.0
    for ax, curves in zip(panels, change, strict=True):
        extent = (levels[0], levels[-1], m + 0.5, 0.5)
        image = ax.imshow(curves.T, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", extent=extent)
        ax.grid(False)
    colour_bar(image, list(panels), "change of the channel" + unit, shrink=0.6, aspect=30)


def _channel_colour(j: int, m: int) -> Any:
    """Distinct colours for a few channels, shades of one colour map for many."""
    return colour(j) if m <= 7 else matplotlib.colormaps["viridis"](0.85 * j / (m - 1))
