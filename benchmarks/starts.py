"""Where training starts on bent recordings of more channels than sources: correlation of the starts with the truth.

    python benchmarks/starts.py                     # two minutes on one core
    python benchmarks/starts.py --seeds 100 101 102

SOBI of the n strongest principal components, which is what a user gets who asks for n sources, beside the start of
``stradiff/fitting/linear_start.py``. Its share of explained variance was chosen here, so the seeds are development
seeds; the tables of ``accuracy.py`` use others.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
from contest.problems import Problem, draw
from contest.tiers import DEVELOPMENT

from stradiff import SOBI, mean_correlation
from stradiff.fitting.linear_start import linear_sources
from stradiff.observations import fit_normaliser

LEAKY = Problem("leaky-ReLU, 2 layers, m = 6", "leaky_relu", n_channels=6)
PROBLEMS = (
    LEAKY,
    replace(LEAKY, name="leaky-ReLU, 3 layers, m = 6", n_layers=3),
    replace(LEAKY, name="leaky-ReLU, 3 layers, m = 6, 10 % noise", n_layers=3, noise=0.1),
    replace(LEAKY, name="leaky-ReLU, 2 layers, m = 12, 10 % noise", n_channels=12, noise=0.1),
    replace(LEAKY, name="leaky-ReLU, 2 layers, n = 5, m = 10, AR sources", sources="ar", n_sources=5, n_channels=10),
    replace(LEAKY, name="leaky-ReLU, 2 layers, m = 6, RBF-GP sources, 2 % noise", sources="rbf", noise=0.02),
    replace(LEAKY, name="tanh, m = 6", mixing="tanh"),
    replace(LEAKY, name="tanh, m = 6, RBF-GP sources, 2 % noise", mixing="tanh", sources="rbf", noise=0.02),
    replace(LEAKY, name="tanh, m = 6, sparse sources", mixing="tanh", sources="sparse"),
)


def main() -> None:
    """Print the table: mean correlation of the sources, median and least over seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(DEVELOPMENT, DEVELOPMENT + 10)))
    seeds = parser.parse_args().seeds
    print("| problem | SOBI of n components, median | worst | the start, median | worst |\n|---|---|---|---|---|")
    for problem in PROBLEMS:
        scores = np.array([measure(problem, seed) for seed in seeds])
        pairs = zip(np.median(scores, axis=0), scores.min(axis=0), strict=True)
        print(f"| {problem.name} | " + " | ".join(f"{middle:.3f} | {least:.3f}" for middle, least in pairs) + " |")


def measure(problem: Problem, seed: int) -> tuple[float, float]:
    """Mean correlation of SOBI's sources and of the start's."""
    example, n = draw(problem, seed), problem.n_sources
    observed = fit_normaliser(example.observed, "standardise").forward(example.observed)
    starts = SOBI(n).fit_transform(example.observed), linear_sources(observed, "sobi", n, bent=True)
    plain, start = (mean_correlation(sources, example.sources) for sources in starts)
    return plain, start


if __name__ == "__main__":
    main()
