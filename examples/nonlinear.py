"""Separate a nonlinear mixture, save the fit, and load it again.

    python examples/nonlinear.py --out nonlinear.stradiff

Three sources pass through a leaky-ReLU network. SOBI and the best linear unmixing, which knows the true sources, show
what linear methods can reach.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from stradiff import SOBI, StrADiff, Training, best_linear_unmixing, matched_correlation, simulate


def main() -> None:
    """Simulate, separate, compare, save, and load."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--max-epochs", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=Path("nonlinear.stradiff"))
    arguments = parser.parse_args()

    simulation = simulate("leaky_relu", n_samples=arguments.samples, seed=1)
    recording, truth = simulation.recording.values, simulation.sources

    # mixing="auto" would decide between a matrix and a network, at the cost of both fits
    training = Training(max_epochs=arguments.max_epochs)
    model = StrADiff(n_components=3, mixing="mlp", training=training, random_state=0)
    estimates = {
        "StrADiff": model.fit_transform(recording),
        "SOBI": SOBI(3).fit_transform(recording),
        "best linear": best_linear_unmixing(recording, truth),
    }
    for name, estimate in estimates.items():
        print(f"{name:12} mean correlation {matched_correlation(estimate, truth).mean():.4f}")

    model.save(arguments.out)
    again = StrADiff.load(arguments.out)
    print("loaded:", np.array_equal(again.sources_, model.sources_), arguments.out)


if __name__ == "__main__":
    main()
