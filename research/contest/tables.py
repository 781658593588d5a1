"""The rows as Markdown: for every tier its targets and outcomes, and a table for every problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from pages import NOT_RUN
from scipy.stats import bootstrap

from contest.methods import METHODS
from contest.problems import Problem
from contest.targets import Row, Scores
from contest.tiers import TIERS, Tier

SOURCES = {
    "artificial": "artificial sources",
    "rbf": "RBF-GP sources",
    "matern32": "Matérn-3/2-GP sources",
    "ar": "autoregressive sources",
    "modulated": "amplitude-modulated sources",
    "sparse": "sources with heavy-tailed innovations",
    "multimodal": "sources of several modes",
    "real": "real sources",
}


def page(rows: Sequence[Row], tiers: Mapping[str, Tier] = TIERS) -> str:
    """All tiers of which there is a row."""
    parts = [f"## {tier.title}\n\n{text}" for tier in tiers.values() if (text := tier_table(tier, rows)) != NOT_RUN]
    return "\n\n".join(parts) if parts else NOT_RUN


def tier_table(tier: Tier, rows: Sequence[Row]) -> str:
    """Outcomes and tables of one tier."""
    run = [problem for problem in tier.problems if of(problem, tier, rows)]
    if not run:
        return NOT_RUN
    parts = [_outcomes(tier, run, rows)] if tier.target else []
    return "\n\n".join(parts + [_problem(problem, of(problem, tier, rows)) for problem in run])


def of(problem: Problem, tier: Tier, rows: Sequence[Row]) -> list[Row]:
    """The rows of a problem by the methods of a tier: other tiers may look at it with others."""
    return [row for row in rows if row["problem"] == problem.name and row["method"] in tier.methods]


def by_method(rows: Sequence[Row]) -> Scores:
    """Rows that did not fail, by method (in the order of the tables) and seed."""
    good = [row for row in rows if "error" not in row]
    table = {method: {row["seed"]: row for row in good if row["method"] == method} for method in METHODS}
    return {method: rows for method, rows in table.items() if rows}


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap of the median over seeds; needs two of them."""
    draws = bootstrap((values,), np.median, confidence_level=level, n_resamples=5000, method="percentile", rng=0)
    return float(draws.confidence_interval.low), float(draws.confidence_interval.high)


def describe(problem: Problem) -> str:
    """What is mixed how, in a line."""
    if problem.description:
        return problem.description
    kind = {
        "linear": f"linear mixing, condition {problem.condition:g}",
        "leaky_relu": f"leaky-ReLU network, {problem.n_layers} layers, slope {problem.slope:g}",
        "tanh": f"tanh(x) + 0.1 x network, {problem.n_layers} layers",
        "post_nonlinear": "linear mixing, then tanh(x) + 0.1 x per channel",
        "sensor": "linear mixing, then tanh(0.5 x) + 0.1 x per channel",
        "saturation": "linear mixing, then tanh(0.5 x) per channel",
    }[problem.mixing]
    size = f"n = {problem.n_sources}, m = {problem.n_channels}, T = {problem.n_samples:,}"
    noise = f"{problem.noise:.0%} noise" if problem.noise else "no noise"
    return f"{SOURCES[problem.sources]}; {kind}; {size}; {noise}"


def _outcomes(tier: Tier, problems: Sequence[Problem], rows: Sequence[Row]) -> str:
    lines = ["| problem | target | reached | |", "|---|---|---|---|"]
    for problem in problems:
        target = tier.target[problem.name]
        reached, outcome = target.outcome(by_method(of(problem, tier, rows)))
        lines.append(f"| {problem.name} | {target.text} | {reached} | **{outcome}** |")
    return "\n".join(lines)


def _problem(problem: Problem, rows: list[Row]) -> str:
    heads = [name for name, _ in COLUMNS]
    lines = ["| method | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for method, of_method in by_method(rows).items():
        mine = [row for _, row in sorted(of_method.items())]
        lines.append(f"| {method} | " + " | ".join(cell(mine) for _, cell in COLUMNS) + " |")
    failed = sorted({f"{row['method']} (seed {row['seed']}): {row['error']}" for row in rows if "error" in row})
    notes = "".join(f"\n\nFailed: {error}" for error in failed)
    return f"**{problem.name}**: {describe(problem)}\n\n" + "\n".join(lines) + notes


def _mean(rows: list[Row], score: str = "pearson") -> np.ndarray:
    return np.array([np.mean(row[score]) for row in rows])


def _interval(rows: list[Row]) -> str:
    if len(rows) < 2:
        return ""
    low, high = interval(_mean(rows))
    return f"{low:.4f}–{high:.4f}"


def _median_of(score: str, digits: int) -> Callable[[list[Row]], str]:
    def cell(rows: list[Row]) -> str:
        values: list[Any] = [row[score] for row in rows if row[score] is not None]
        return f"{np.median([np.mean(value) for value in values]):.{digits}f}" if values else ""

    return cell


COLUMNS: tuple[tuple[str, Callable[[list[Row]], str]], ...] = (
    ("seeds", lambda rows: str(len(rows))),
    ("MCC, median", lambda rows: f"{np.median(_mean(rows)):.4f}"),
    ("95 % interval", _interval),
    ("MCC, worst seed", lambda rows: f"{_mean(rows).min():.4f}"),
    ("spread (sd)", lambda rows: f"{_mean(rows).std(ddof=1):.4f}" if len(rows) > 1 else ""),
    ("worst source", lambda rows: f"{min(min(row['pearson']) for row in rows):.4f}"),
    ("Spearman", _median_of("spearman", 4)),
    ("SI-SDR, dB", _median_of("si_sdr", 1)),
    ("Amari", _median_of("amari", 4)),
    ("explained variance", _median_of("explained_variance", 4)),
    ("seconds", _median_of("cpu_seconds", 1)),
    ("MB", _median_of("peak_mb", 0)),
)
