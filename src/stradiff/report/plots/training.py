"""Plots of training: loss terms, reconstruction error, correlations, length-scales (paper, figure 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from stradiff.report.plots.style import (
    MUTED,
    axis_label,
    colour,
    envelope,
    legend,
    line_style,
    one_axes,
    panel_axes,
    panel_title,
    source_names,
)

TERMS = {
    "total": "total loss",
    "reconstruction": "reconstruction",
    "prior": "prior",
    "diffusion": "diffusion",
    "kl": "KL divergence of the start",
    "volume": "volume",
}
TICKS = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)  # of a correlation: the axis ends at two of them
TRANSIENT = 0.05  # share of training whose large values a linear axis leaves out


def plot_losses(history: Mapping[str, np.ndarray], *, axes: Any = None) -> np.ndarray:
    """Draw the loss and its terms, a panel each.

    The axis is logarithmic for a positive term that spans more than a factor of twenty. Otherwise it is linear, with
    the range of values after the first twentieth of training; a first value outside is written into the corner.
    Pale: every epoch; strong: the running median over a fiftieth of all.

    Parameters
    ----------
    history
        Arrays ``(n_epochs,)`` under "total", "reconstruction", "prior", "diffusion", "kl" and "volume"; terms
        that are absent or zero throughout are left out.
    axes
        As many axes as terms; those of a new figure by default.

    Returns
    -------
    numpy.ndarray
        The axes drawn on, in the order of the terms.
    """
    terms = loss_terms(history)
    if axes is None:
        size = (9.0, 0.3 + 1.65 * ((len(terms) + 1) // 2))
        axes = loss_axes(Figure(figsize=size, layout="constrained"), len(terms))
    panels = panel_axes(axes, len(terms), 2, (9.0, 3.0))
    for ax, term in zip(panels, terms, strict=True):
        _term(ax, history[term], TERMS[term])
    for ax in panels[-2:]:
        axis_label(ax, x="epoch")
    return panels


def loss_terms(history: Mapping[str, np.ndarray]) -> list[str]:
    """Names of the terms :func:`plot_losses` draws: those present and not zero throughout."""
    return [term for term in TERMS if np.any(history.get(term, 0))]


def loss_axes(figure: FigureBase, n_terms: int) -> list[Axes]:
    """Axes for ``n_terms``, two in a row; of an odd number the first fills a row."""
    odd = n_terms % 2
    grid = figure.add_gridspec((n_terms + 1) // 2, 2)
    cells = [grid[0, :]] * odd
    cells += [grid[cell // 2, cell % 2] for cell in range(2 * odd, n_terms + odd)]
    return [figure.add_subplot(cell) for cell in cells]


def plot_reconstruction_error(history: Mapping[str, np.ndarray], *, ax: Axes | None = None) -> Axes:
    """Draw the mean squared error of the reconstruction of the normalised recording over training.

    ``history`` holds ``(n_epochs,)`` under "reconstruction_mse".
    """
    ax = one_axes(ax, (9.0, 2.4))
    _term(ax, history["reconstruction_mse"], "mean squared error of the reconstruction (1 = nothing explained)")
    axis_label(ax, x="epoch")
    return ax


def plot_correlations(
    correlation_history: np.ndarray,
    epochs: np.ndarray | Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the matched correlation of every source with its truth over training.

    The axis is linear in -log10(1 - correlation): 0.9, 0.99 and 0.999 are evenly spaced.

    Parameters
    ----------
    correlation_history
        ``(E, n)``, between -1 and 1; the absolute value is drawn.
    epochs
        The ``E`` epochs; 1 to ``E`` by default.
    names
        One name per source.
    """
    correlation = np.abs(np.asarray(correlation_history, dtype=float))
    ax = one_axes(ax, (9.0, 2.6))
    x = np.arange(1, len(correlation) + 1) if epochs is None else np.asarray(epochs)
    n, marker = correlation.shape[1], "." if len(x) < 60 else None
    for k, name in enumerate(source_names(names, n)):
        label = f"{name}  {correlation[-1, k]:.4f}"
        ax.plot(*envelope(x, correlation[:, k]), label=label, marker=marker, markersize=3, **line_style(k))
    ax.set_yscale("function", functions=(_nines, _from_nines))
    ax.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS])
    below = [tick for tick in TICKS[:-1] if tick <= correlation.min()]
    above = [tick for tick in TICKS[1:] if tick >= correlation.max()]
    ax.set_ylim(below[-1], min(above, default=TICKS[-1]))
    panel_title(ax, "matched correlation with the truth (legend: last value)")
    axis_label(ax, x="epoch")
    legend(ax, n)
    return ax


def plot_length_scales(
    history: Mapping[str, np.ndarray] | np.ndarray,
    span: float,
    time_unit: str = "samples",
    names: Sequence[str] | None = None,
    *,
    axes: Any = None,
) -> np.ndarray:
    """Draw the length-scales of the priors over training: as fractions of the record, and in its time unit.

    Parameters
    ----------
    history
        The fit's history, with ``(n_epochs, n)`` under "length_scales", or that array.
    span
        Time from the first to the last sample, in ``time_unit``.
    time_unit
        "s" or "samples".
    names
        One name per source.
    axes
        Two axes; those of a new figure by default.

    Returns
    -------
    numpy.ndarray
        The two axes drawn on.
    """
    scales = np.asarray(history["length_scales"] if isinstance(history, Mapping) else history, dtype=float)
    pair = panel_axes(axes, 2, 2, (9.0, 2.8))
    epochs, n = np.arange(1, len(scales) + 1), scales.shape[1]
    for ax, factor in zip(pair, (1.0, float(span)), strict=True):
        for k, name in enumerate(source_names(names, n)):
            ax.plot(*envelope(epochs, scales[:, k] * factor), label=name, **line_style(k))
        _log_when_wide(ax, scales * factor)
        axis_label(ax, x="epoch")
    panel_title(pair[0], "length-scale, fraction of the record")
    panel_title(pair[1], f"length-scale in {'seconds' if time_unit == 's' else time_unit}")
    legend(pair[1], n)
    return pair


def plot_training(
    history: Mapping[str, np.ndarray],
    correlation_history: np.ndarray,
    epochs: np.ndarray | Sequence[int],
    span: float,
    time_unit: str = "samples",
) -> Figure:
    """Draw loss terms, reconstruction error, matched correlations and length-scales in one figure (paper, figure 3).

    Parameters
    ----------
    history
        The fit's history.
    correlation_history, epochs
        Matched correlations ``(E, n)`` at ``E`` epochs.
    span, time_unit
        Time from the first to the last sample, and its unit.

    Returns
    -------
    matplotlib.figure.Figure
        The figure drawn on.
    """
    n_terms = len(loss_terms(history))
    heights = [1.7 * -(-n_terms // 2), 2.2, 2.4, 2.8]
    figure = Figure(figsize=(10.0, sum(heights)), layout="constrained")
    subfigures: Any = figure.subfigures(4, 1, height_ratios=heights)
    losses, error, correlation, scales = subfigures
    plot_losses(history, axes=loss_axes(losses, n_terms))
    plot_reconstruction_error(history, ax=error.add_subplot())
    plot_correlations(correlation_history, epochs, ax=correlation.add_subplot())
    plot_length_scales(history, span, time_unit, axes=scales.subplots(1, 2))
    return figure


def _term(ax: Axes, values: np.ndarray, title: str) -> None:
    """One curve over the epochs: every epoch pale, the running median strong."""
    values = np.asarray(values, dtype=float)
    epochs, window = np.arange(1, len(values) + 1), max(1, len(values) // 50)
    median = pd.Series(values).rolling(window, center=True, min_periods=1).median().to_numpy()
    ax.plot(*envelope(epochs, values), color=colour(0), alpha=0.3, linewidth=0.7)
    ax.plot(*envelope(epochs, median), color=colour(0), linewidth=1.1)
    ax.margins(x=0.01)
    panel_title(ax, title)
    if not _log_when_wide(ax, values):
        _limit_to_steady_range(ax, values)


def _nines(correlation: Any) -> Any:
    """-log10(1 - correlation): 1 for 0.9, 2 for 0.99; at most 5."""
    return -np.log10(np.maximum(1 - np.asarray(correlation), 1e-5))


def _from_nines(nines: Any) -> Any:
    """The inverse of :func:`_nines`."""
    return 1 - 10.0 ** -np.asarray(nines)


def _log_when_wide(ax: Axes, values: np.ndarray) -> bool:
    """Use a logarithmic axis where all values are positive and span more than a factor of twenty."""
    wide = values.min() > 0 and values.max() > 20 * values.min()
    if wide:
        ax.set_yscale("log")
    return bool(wide)


def _limit_to_steady_range(ax: Axes, values: np.ndarray) -> None:
    """Limit a linear axis to the values after the transient; write a first value outside into the corner."""
    steady = values[int(TRANSIENT * len(values)) :]
    low, high = float(steady.min()), float(steady.max())
    margin = 0.08 * (high - low) or 0.5
    ax.set_ylim(low - margin, high + margin)
    ax.ticklabel_format(axis="y", style="plain", useOffset=False)  # an offset would overlap the title
    if not low - margin <= values[0] <= high + margin:
        above = values[0] > high
        ax.text(
            0.99,
            0.94 if above else 0.06,
            f"starts at {_number(values[0])}",
            transform=ax.transAxes,
            fontsize=7.5,
            color=MUTED,
            ha="right",
            va="top" if above else "bottom",
        )


def _number(value: float) -> str:
    """A number as text: 295,000 and 1.457, not 2.95e+05."""
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.4g}"
