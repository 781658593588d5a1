"""Where training starts on nonlinear mixtures with more channels than sources, and whether the objective chooses well.

    python research/starts.py                     # what is not in the results yet; ten seconds for each row
    python research/starts.py --print --publish   # the table of the results, and into research/accuracy.md

The candidates of ``stradiff/initialise/candidates.py`` and the objective of a hundred epochs from each
(``stradiff/train/restarts.py``). The first candidate is SOBI of the n strongest principal components, which is what a
user gets who asks for n sources. Seeds are development seeds; the tables of ``accuracy.py`` use others. Rows are kept
in ``research/results/starts.json`` as they come.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from contest.problems import Problem, draw
from contest.tiers import DEVELOPMENT
from one_table import run
from scipy.stats import spearmanr

from stradiff import mean_correlation
from stradiff.config import Configuration, resolve
from stradiff.data import fit_normaliser
from stradiff.initialise import initialise
from stradiff.model.numerics import numerics
from stradiff.train.restarts import candidate_objectives

LEAKY = Problem("leaky-ReLU, 2 layers, m = 6", "leaky_relu", n_channels=6)
PROBLEMS = {
    problem.name: problem
    for problem in (
        LEAKY,
        replace(LEAKY, name="leaky-ReLU, 3 layers, m = 6", n_layers=3),
        replace(LEAKY, name="leaky-ReLU, 3 layers, m = 6, 10 % noise", n_layers=3, noise=0.1),
        replace(LEAKY, name="leaky-ReLU, 2 layers, m = 12, 10 % noise", n_channels=12, noise=0.1),
        replace(LEAKY, name="leaky-ReLU, 2 layers, n = 5, m = 10", sources="ar", n_sources=5, n_channels=10),
        replace(LEAKY, name="leaky-ReLU, 2 layers, m = 6, RBF-GP sources, 2 % noise", sources="rbf", noise=0.02),
        replace(LEAKY, name="tanh, m = 6", mixing="tanh"),
        replace(LEAKY, name="tanh, m = 6, RBF-GP sources, 2 % noise", mixing="tanh", sources="rbf", noise=0.02),
        replace(LEAKY, name="tanh, m = 6, sparse sources", mixing="tanh", sources="sparse"),
    )
}


def measure(case: str, seed: int) -> dict[str, Any]:
    """Mean correlation of the sources of every candidate with the truth, and its objective after the trial."""
    problem = PROBLEMS[case]
    example, n = draw(problem, seed), problem.n_sources
    observed = fit_normaliser(example.observed, "standardise").forward(example.observed).astype(np.float32)
    with numerics():
        config = resolve("default", Configuration(n_sources=n, mixing=problem.map))
        starts = initialise(observed, None, config, seed=seed)
        objectives = candidate_objectives(starts)
    each = [round(float(mean_correlation(start.sources, example.sources)), 5) for start in starts.candidates]
    return {"case": case, "seed": seed, "correlation": each, "objective": [round(value, 1) for value in objectives]}


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: a line for each problem; correlation of the starts with the truth, median over seeds and the worst."""
    lines = [
        "| problem | seeds | SOBI of n components, median (worst) | chosen by the objective | nearest to the truth "
        "| rank correlation of objective and distance, median |",
        "|---|---|---|---|---|---|",
    ]
    for case in PROBLEMS:
        mine = [row for row in rows if row["case"] == case]
        if not mine:
            continue
        plain = [row["correlation"][0] for row in mine]
        chosen = [row["correlation"][int(np.argmin(row["objective"]))] for row in mine]
        nearest = [max(row["correlation"]) for row in mine]
        ranks = [spearmanr(row["objective"], -np.array(row["correlation"])).statistic for row in mine]
        cells = [f"{np.median(scores):.3f} ({min(scores):.3f})" for scores in (plain, chosen, nearest)]
        lines.append(f"| {case} | {len(mine)} | " + " | ".join(cells) + f" | {np.median(ranks):.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    run(
        __doc__,
        "starts",
        PROBLEMS,
        measure,
        table,
        title="Where nonlinear maps with more channels than sources start",
        page="accuracy.md",
        kind="starts",
        seeds_of=lambda case: range(DEVELOPMENT, DEVELOPMENT + 10),
    )
