"""Separate a linear mixture and compare the result with the true sources.

    python examples/linear.py

Three sources are mixed by a matrix into six noisy channels. The script prints the correlation of every estimated source
with the truth, beside that of SOBI, and how many true values are inside the 95 % bands.
"""

from __future__ import annotations

import argparse

import numpy as np

from stradiff import SOBI, StrADiff, Training, match_sources, matched_correlation, simulate


def main() -> None:
    """Simulate, separate, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--max-epochs", type=int, default=10_000)
    arguments = parser.parse_args()

    simulation = simulate("linear", n_samples=arguments.samples, n_channels=6, noise=0.1, seed=1)
    recording, truth = simulation.recording.values, simulation.sources  # (T, 6), (T, 3)

    training = Training(max_epochs=arguments.max_epochs)
    model = StrADiff(n_components=3, mixing="linear", training=training, random_state=0)
    sources = model.fit_transform(recording)  # (T, 3)

    print("correlation with the truth (slow, middle, fast)")
    for name, estimate in {"StrADiff": sources, "SOBI": SOBI(3).fit_transform(recording)}.items():
        print(f"  {name:8}", *(f"{value:.4f}" for value in matched_correlation(estimate, truth)))

    matching = match_sources(sources, truth)  # order and sign of sources are arbitrary
    distance = np.abs(matching.apply(sources) - truth)
    inside = distance <= 1.96 * matching.apply_sd(model.sources_std_)
    print(f"true values inside the 95 % bands: {inside.mean():.0%}")
    for warning in model.warnings_:
        print("warning:", warning)


if __name__ == "__main__":
    main()
