"""Plots of time series: traces and spectra."""

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
    shade_missing,
    source_names,
    time_label,
)

TRACE_HEIGHT = 0.42  # inches per channel: sixty-four of them fit a page
LONGEST_WINDOW = 1024  # samples: longer windows show mainly estimation noise
FLOOR = 1e-8  # of the highest peak, 80 dB: lower values are rounding errors


def plot_recording(
    values: np.ndarray,
    times: np.ndarray,
    names: Sequence[str],
    *,
    time_unit: str = "samples",
    same_scale: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw every channel as one trace, from top to bottom, shaded where values are missing (NaN).

    Parameters
    ----------
    values
        Recording ``(T, m)``.
    times
        Time axis ``(T,)``, in ``time_unit``.
    names
        Channel names ``(m,)``.
    same_scale
        One scale for all channels, so that amplitudes are comparable; otherwise one for each channel.
    ax
        Axes to draw on; those of a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.
    """
    values, times = np.asarray(values, dtype=float), np.asarray(times)
    m = values.shape[1]
    ax = one_axes(ax, (9.0, 1.0 + max(1.4, TRACE_HEIGHT * m)))
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    extent = np.full(m, (high - low).max()) if same_scale else high - low
    traces = (values - (high + low) / 2) / np.where(extent > 0, extent, 1.0) * 0.94
    for j in range(m):
        ax.plot(*envelope(times, traces[:, j] - j), color=colour(0), linewidth=0.7)
        shade_missing(ax, times, np.isnan(values[:, j]), -j - 0.5)
    ax.set_yticks(-np.arange(m), source_names(names, m))
    ax.set_ylim(-m + 0.4, 0.6)
    ax.margins(x=0.005)
    ax.grid(False, axis="y")
    scale = "one scale for all channels" if same_scale else "one scale per channel"
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

    By Welch's method, with Hann windows of an eighth of the record, at most 1,024 samples.

    Parameters
    ----------
    values
        Sources or channels ``(T, n)`` on a regular grid.
    sampling_rate
        Samples per ``time_unit``; without it frequencies are in cycles per sample.
    names
        One name per column; "source 1" ... by default.
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
