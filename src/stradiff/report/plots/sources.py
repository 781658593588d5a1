"""Separated sources with their bands; the truth beside them when it is known (paper, figures 2 and 7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import norm

from stradiff.assess.alignment import match_sources
from stradiff.errors import OptionError
from stradiff.report.plots.style import (
    INK,
    axis_label,
    band_envelope,
    colour,
    envelope,
    headline,
    panel_axes,
    shade,
    source_names,
    time_label,
)


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
    """Draw each source's mean with its band at ``level``, one panel a source.

    Parameters
    ----------
    sources, std
        Mean and standard deviation of the sources, ``(T, n)`` each; without ``std`` no band is drawn.
    times
        Time axis ``(T,)``, in ``time_unit``.
    truth
        True sources, one panel each. They are drawn dashed, and the estimates are put in their order, sign
        and scale first, because neither order nor sign nor scale can be known from a recording.
    names
        One name a source (of the truth, when given).
    level
        Probability inside the band, between 0 and 1.
    missing
        ``(T,)`` True where the recording has gaps: shaded.
    axes
        ``n`` axes to draw on; those of a new figure when absent.

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
        raise OptionError(f"The level of a band is a probability between 0 and 1, not {level}.")
    sources = np.asarray(sources, dtype=float)
    half = np.zeros_like(sources) if std is None else norm.ppf(0.5 + level / 2) * np.asarray(std, dtype=float)
    notes = [""] * sources.shape[1]
    if truth is not None:
        matching = match_sources(sources, truth)
        sources, half = matching.apply(sources), matching.apply_sd(half)
        notes = [f"   matched correlation {value:.4f}" for value in matching.correlation]
    n = sources.shape[1]
    panels = panel_axes(axes, n, 1, (9.0, 0.6 + 1.35 * n), sharex=True)
    for k, (ax, name) in enumerate(zip(panels, source_names(names, n), strict=True)):
        _draw(ax, np.asarray(times), sources[:, k], half[:, k], k)
        if missing is not None:
            shade(ax, np.asarray(times), missing)
        if truth is not None:
            curve = envelope(np.asarray(times), np.asarray(truth)[:, k])
            ax.plot(*curve, "--", color=INK, linewidth=0.8, label="truth")
        headline(ax, name + notes[k])
    if truth is not None:
        place = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0.1}
        panels[0].legend(**place, ncols=2, frameon=False, fontsize=8)
    axis_label(panels[-1], x=time_label(time_unit))
    return panels


def _draw(ax: Any, times: np.ndarray, mean: np.ndarray, half: np.ndarray, k: int) -> None:
    """One source: band below, mean above."""
    if half.any():
        band = band_envelope(times, mean - half, mean + half)
        ax.fill_between(*band, color=colour(k), alpha=0.28, linewidth=0)
    ax.plot(*envelope(times, mean), color=colour(k), linewidth=0.9, label="estimate")
    ax.margins(x=0.005)
