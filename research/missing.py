"""Missing samples: how well are they filled?

    python research/missing.py                      # what is not in the results yet; ten minutes on one core
    python research/missing.py --seeds 100 --cases "linear, values" --results tried.json
    python research/missing.py --print --publish    # the table of the results, and into research/uncertainty.md

A tenth of a simulated recording (T = 1000, three sources, three channels) is taken away: single values, or gaps of 20
samples, of one channel at a time or of whole rows. Filling is judged by the root mean square distance to the true
noise-free recording at the missing places, in standard deviations of the channel (0: perfect, 1: as good as the
channel's mean). Beside ``StrADiff(missing="mask")`` stand straight lines through the gaps of every channel, and SOBI:
learned on the recording with straight lines in its gaps, sources of the whole rows interpolated, then mixed. Also given
are the matched correlations of the sources with the true ones, over all samples, and how often the 95 % bands cover
them inside and outside the gaps. Rows are kept in ``research/results/missing.json`` as they come.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from one_table import run
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning

from stradiff import SOBI, StrADiff, match_sources, matched_correlation, simulate
from stradiff.data import interpolated, observed_mask, with_gaps
from stradiff.errors import SeparationWarning

FRACTION = 0.1
PROBLEMS = {"linear": "linear", "leaky_relu": "mlp"}
GAPS: dict[str, dict[str, Any]] = {
    "values": {"gap_length": 1, "whole_rows": False},
    "gaps of 20": {"gap_length": 20, "whole_rows": False},
    "rows": {"gap_length": 1, "whole_rows": True},
    "gaps of 20 rows": {"gap_length": 20, "whole_rows": True},
}
CASES = {f"{problem}, {gaps}": (problem, gaps) for problem in PROBLEMS for gaps in GAPS}
METHODS = ("straight lines", "SOBI, then interpolate", "StrADiff")


def measure(case: str, seed: int) -> dict[str, Any]:
    """Every method on one recording with gaps."""
    problem, gaps = CASES[case]
    simulation = simulate(problem, seed=seed)
    values = with_gaps(simulation.recording.values, FRACTION, seed=seed, **GAPS[gaps])
    missing, truth = np.isnan(values), simulation.noise_free
    model = StrADiff(3, mixing=PROBLEMS[problem], missing="mask", random_state=seed, verbose=False)
    ways: tuple[Callable[[np.ndarray], tuple[Any, np.ndarray]], ...] = (
        straight_lines,
        sobi_then_interpolate,
        partial(by_posterior, model),
    )
    row: dict[str, Any] = {"case": case, "seed": seed}
    for method, way in zip(METHODS, ways, strict=True):
        began = time.process_time()
        sources, filled = way(values)
        seconds = round(time.process_time() - began, 2)
        error = ((filled - truth) / truth.std(axis=0))[missing]
        row[method] = {"error": float(np.sqrt(np.mean(error**2))), "seconds": seconds}
        if sources is not None:
            row[method]["correlation"] = matched_correlation(sources, simulation.sources).tolist()
    row["StrADiff"] |= bands(model, simulation.sources, missing.any(axis=1))
    return row


def straight_lines(values: np.ndarray) -> tuple[None, np.ndarray]:
    """No sources; the recording with a line through every gap of every channel."""
    return None, interpolated(values, observed_mask(values))


def sobi_then_interpolate(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sources and recording: straight lines through the sources of the rows that are whole."""
    mask = observed_mask(values)
    separator = SOBI(n_components=3).fit(interpolated(values, mask))
    whole = np.repeat(mask.all(axis=1, keepdims=True), 3, axis=1)
    sources = interpolated(separator.transform(interpolated(values, mask)), whole)
    return sources, separator.inverse_transform(sources)


def by_posterior(model: StrADiff, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sources and recording of a fit to what was seen."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", SeparationWarning)
        model.fit(values)
    return model.sources_, model.reconstruction_


def bands(model: StrADiff, truth: np.ndarray, gap: np.ndarray) -> dict[str, float]:
    """How often the 95 % bands cover the truth inside and outside the gaps, and how much wider they are inside."""
    matching = match_sources(model.sources_, truth)
    half = norm.ppf(0.975) * matching.apply_sd(model.sources_std_)
    inside = np.abs(truth - matching.apply(model.sources_)) <= half
    spread = np.sqrt(np.mean(np.square(model.sources_std_), axis=1))
    return {
        "covered_in_gaps": float(inside[gap].mean()),
        "covered_elsewhere": float(inside[~gap].mean()),
        "wider_in_gaps": float(np.median(spread[gap]) / np.median(spread[~gap])),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: a line for each kind of recording and each method, medians and worst over seeds."""
    lines = [
        "| mixing, missing | method | recordings | median error | worst error | median MCC | worst source |"
        " bands cover in gaps, elsewhere | wider in gaps | processor seconds |",
        "|" + "---|" * 10,
    ]
    for case in CASES:
        mine = [row for row in rows if row["case"] == case]
        lines += [_line(case, method, [row[method] for row in mine]) for method in METHODS if mine]
    return "\n".join(lines)


def _line(case: str, method: str, rows: list[dict[str, Any]]) -> str:
    error = [row["error"] for row in rows]
    cells = [case, method, str(len(rows)), f"{np.median(error):.3f}", f"{max(error):.3f}", "", "", "", ""]
    if "correlation" in rows[0]:
        correlation = np.array([row["correlation"] for row in rows])
        cells[5:7] = f"{np.median(correlation.mean(axis=1)):.4f}", f"{correlation.min():.4f}"
    if "wider_in_gaps" in rows[0]:
        covered = [f"{np.mean([row[name] for row in rows]):.2f}" for name in ("covered_in_gaps", "covered_elsewhere")]
        cells[7:9] = ", ".join(covered), f"{np.median([row['wider_in_gaps'] for row in rows]):.1f} x"
    return "| " + " | ".join([*cells, f"{np.median([row['seconds'] for row in rows]):.1f}"]) + " |"


if __name__ == "__main__":
    run(
        __doc__,
        "missing",
        CASES,
        measure,
        table,
        title="How well are gaps filled?",
        page="uncertainty.md",
        kind="missing",
    )
