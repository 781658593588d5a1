"""One figure for the whole of a training with known truth: the counterpart of the paper's figure 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from stradiff.report.plots.training import (
    loss_axes,
    loss_terms,
    plot_correlations,
    plot_length_scales,
    plot_losses,
    plot_reconstruction_error,
)


def plot_training(
    history: Mapping[str, np.ndarray],
    correlation_history: np.ndarray,
    epochs: np.ndarray | Sequence[int],
    span: float,
    time_unit: str = "samples",
) -> Figure:
    """Draw loss terms, reconstruction error, matched correlations and length-scales on one figure.

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
    rows = -(-n_terms // 2)
    figure = Figure(figsize=(10.0, 1.7 * rows + 7.4), layout="constrained")
    heights = [1.7 * rows, 2.2, 2.4, 2.8]
    parts: Any = figure.subfigures(4, 1, height_ratios=heights)
    losses, error, correlation, scales = parts
    plot_losses(history, axes=loss_axes(losses, n_terms))
    plot_reconstruction_error(history, ax=error.add_subplot())
    plot_correlations(correlation_history, epochs, ax=correlation.add_subplot())
    plot_length_scales(history, span, time_unit, axes=scales.subplots(1, 2))
    return figure
