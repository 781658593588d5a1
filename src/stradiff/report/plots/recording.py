"""Pictures of a recording, or of anything else with time along its rows: traces and spectra."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from scipy.signal import welch

from stradiff.report.plots.style import (
    MUTED,
    axis_label,
    colour,
    envelope,
    legend,
    line_style,
    one_axes,
    shade,
    source_names,
    time_label,
)

TRACE_HEIGHT = 0.42  # inches a channel, so that sixty-four of them still fit one page
LONGEST_WINDOW = 1024  # finer frequencies than this are only noise on a picture
FLOOR = 1e-8  # of the highest peak: 80 dB, what is below it is rounding


def plot_recording(
    values: np.ndarray,
    times: np.ndarray,
    names: Sequence[str],
    *,
    time_unit: str = "samples",
    same_scale: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw every channel as one trace, stacked from top to bottom; where it was not seen (NaN), its lane is shaded.

    Parameters
    ----------
    values
        Recording ``(T, m)``.
    times
        Time axis ``(T,)``, in ``time_unit``.
    names
        Channel names ``(m,)``, written beside the traces.
    same_scale
        One scale for all channels, so that amplitudes compare; otherwise each fills its own lane.
    ax
        Axes to draw on; a new figure's when absent.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.
    """
    values, times = np.asarray(values, dtype=float), np.asarray(times)
    m = values.shape[1]
    ax = one_axes(ax, (9.0, 1.0 + max(1.4, TRACE_HEIGHT * m)))
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    spread = high - low
    scale = np.full(m, spread.max()) if same_scale else spread
    lanes = (values - (high + low) / 2) / np.where(scale > 0, scale, 1.0) * 0.94
    for j in range(m):
        ax.plot(*envelope(times, lanes[:, j] - j), color=colour(0), linewidth=0.7)
        shade(ax, times, np.isnan(values[:, j]), -j - 0.5)
    ax.set_yticks(-np.arange(m), source_names(names, m))
    ax.set_ylim(-m + 0.4, 0.6)
    ax.margins(x=0.005)
    ax.grid(False, axis="y")
    scale = "all channels to one scale" if same_scale else "each channel to its own scale"
    axis_label(ax, x=time_label(time_unit), y=scale)
    ax.yaxis.label.set_color(MUTED)
    return ax


def plot_spectra(
    values: np.ndarray,
    sampling_rate: float | None = None,
    names: Sequence[str] | None = None,
    *,
    time_unit: str = "samples",
    ax: Axes | None = None,
) -> Axes:
    """Draw the power spectral density of every column.

    By Welch's method, with Hann windows of an eighth of the record and 1,024 samples at most.

    Parameters
    ----------
    values
        Sources or channels ``(T, n)`` on a regular grid.
    sampling_rate
        Samples per ``time_unit``; absent means one sample per unit, and frequencies count cycles per sample.
    names
        One name per column; "source 1" ... when absent.
    """
    values = np.asarray(values, dtype=float)
    n_samples, n = values.shape
    ax = one_axes(ax, (9.0, 3.2))
    rate = 1.0 if sampling_rate is None else float(sampling_rate)
    window = min(n_samples, max(16, n_samples // 8), LONGEST_WINDOW)
    frequency, power = welch(values, fs=rate, nperseg=window, axis=0)
    for k, name in enumerate(source_names(names, n)):
        ax.plot(frequency[1:], power[1:, k], label=name, **line_style(k))  # the zeroth bin is the removed mean
    ax.set_yscale("log")
    floor = max(power[1:].min(), FLOOR * power[1:].max())
    ax.set_ylim(bottom=floor / 1.5)
    ax.set_xlim(0, frequency[np.flatnonzero((power >= floor).any(axis=1))[-1]])
    unit = "Hz" if time_unit == "s" else "cycles per sample"
    axis_label(ax, x=f"frequency ({unit})", y="power density")
    legend(ax, n)
    return ax
