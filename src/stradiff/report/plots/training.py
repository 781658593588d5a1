"""How training went: loss terms, reconstruction error, correlations, length-scales (paper, figure 3)."""

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
    headline,
    legend,
    line_style,
    one_axes,
    panel_axes,
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
STEPS = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)  # of a correlation: the axis ends at two of them
SETTLING = 0.05  # the fall in the first twentieth of training would flatten all that follows on a linear axis


def plot_losses(history: Mapping[str, np.ndarray], *, axes: Any = None) -> np.ndarray:
    """Draw the loss and its terms, a panel each: they differ by orders of magnitude, some may be negative.

    A term that stays positive and spans more than a factor of twenty gets a logarithmic axis. Any other
    keeps a linear one, framed on what comes after the first twentieth of training; where the beginning lies
    outside, its height is written into the corner. Pale: every epoch; strong: the running median over a
    fiftieth of all.

    Parameters
    ----------
    history
        Arrays ``(n_epochs,)`` under "total", "reconstruction", "prior", "diffusion", "kl" and "volume"; what
        is absent or zero throughout is left out.
    axes
        As many axes as terms; those of a new figure when absent.

    Returns
    -------
    numpy.ndarray
        The axes drawn on, in the order of the terms.
    """
    terms = loss_terms(history)
    if axes is None:
        size = (9.0, 0.3 + 1.65 * ((len(terms) + 1) // 2))
        axes = loss_axes(Figure(figsize=size, layout="constrained"), len(terms))
    drawn = panel_axes(axes, len(terms), 2, (9.0, 3.0))
    for ax, term in zip(drawn, terms, strict=True):
        _term(ax, history[term], TERMS[term])
    for ax in drawn[-2:]:
        axis_label(ax, x="epoch")
    return drawn


def loss_terms(history: Mapping[str, np.ndarray]) -> list[str]:
    """Names of the terms :func:`plot_losses` draws: those present and not zero throughout."""
    return [term for term in TERMS if np.any(history.get(term, 0))]


def loss_axes(figure: FigureBase, n_terms: int) -> list[Axes]:
    """Axes for ``n_terms``, two a row; the total takes a row of its own where that leaves no hole."""
    odd = n_terms % 2
    grid = figure.add_gridspec((n_terms + 1) // 2, 2)
    cells = [grid[0, :]] if odd else []
    cells += [grid[cell // 2, cell % 2] for cell in range(2 * odd, n_terms + odd)]
    return [figure.add_subplot(cell) for cell in cells]


def plot_reconstruction_error(history: Mapping[str, np.ndarray], *, ax: Axes | None = None) -> Axes:
    """Draw the mean squared error between the normalised recording and its reconstruction, epoch by epoch.

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

    The axis counts nines: 0.9, 0.99 and 0.999 are evenly spaced, because that is where sources differ.

    Parameters
    ----------
    correlation_history
        ``(E, n)``, between -1 and 1; the absolute value is drawn.
    epochs
        The ``E`` epochs it was taken at; 1 to ``E`` when absent.
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
    ax.set_yticks(STEPS, [f"{step:g}" for step in STEPS])
    below = [step for step in STEPS[:-1] if step <= correlation.min()]
    above = [step for step in STEPS[1:] if step >= correlation.max()]
    ax.set_ylim(below[-1], min(above, default=STEPS[-1]))
    headline(ax, "matched correlation with the truth (key: last value)")
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
    """Draw the prior's length-scales over training: as fractions of the record, and in its time unit.

    Parameters
    ----------
    history
        The fit's history, with ``(n_epochs, n)`` under "length_scales", or that array.
    span
        Time from the first to the last sample, in ``time_unit``: what 1 means on the normalised axis.
    time_unit
        "s" or "samples".
    names
        One name per source.
    axes
        Two axes; those of a new figure when absent.

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
    headline(pair[0], "length-scale, fraction of the record")
    headline(pair[1], f"length-scale in {'seconds' if time_unit == 's' else time_unit}")
    legend(pair[1], n)
    return pair


def _term(ax: Axes, values: np.ndarray, title: str) -> None:
    """One curve over the epochs: every epoch pale, the running median strong, on the axis that shows most."""
    values = np.asarray(values, dtype=float)
    epochs, window = np.arange(1, len(values) + 1), max(1, len(values) // 50)
    median = pd.Series(values).rolling(window, center=True, min_periods=1).median().to_numpy()
    ax.plot(*envelope(epochs, values), color=colour(0), alpha=0.3, linewidth=0.7)
    ax.plot(*envelope(epochs, median), color=colour(0), linewidth=1.1)
    ax.margins(x=0.01)
    headline(ax, title)
    if not _log_when_wide(ax, values):
        _frame_after_settling(ax, values)


def _nines(correlation: Any) -> Any:
    """Number of nines of a correlation: 1 for 0.9, 2 for 0.99; 5 at the most."""
    return -np.log10(np.maximum(1 - np.asarray(correlation), 1e-5))


def _from_nines(nines: Any) -> Any:
    """Undo :func:`_nines`."""
    return 1 - 10.0 ** -np.asarray(nines)


def _log_when_wide(ax: Axes, values: np.ndarray) -> bool:
    """Use a logarithmic axis where all values are positive and span more than a factor of twenty."""
    wide = values.min() > 0 and values.max() > 20 * values.min()
    if wide:
        ax.set_yscale("log")
    return bool(wide)


def _frame_after_settling(ax: Axes, values: np.ndarray) -> None:
    """Frame a linear axis on all but the first twentieth; say in the corner where the curve came from."""
    settled = values[int(SETTLING * len(values)) :]
    low, high = float(settled.min()), float(settled.max())
    room = 0.08 * (high - low) or 0.5
    ax.set_ylim(low - room, high + room)
    ax.ticklabel_format(axis="y", style="plain", useOffset=False)  # an offset would be written into the title
    if not low - room <= values[0] <= high + room:
        above = values[0] > high
        ax.text(
            0.99,
            0.94 if above else 0.06,
            f"starts at {_readable(values[0])}",
            transform=ax.transAxes,
            fontsize=7.5,
            color=MUTED,
            ha="right",
            va="top" if above else "bottom",
        )


def _readable(value: float) -> str:
    """A number for a reader: 295,000 and 1.457, not 2.95e+05."""
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.4g}"
