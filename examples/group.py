"""Separate a folder of short trials that share one mixing.

    python examples/group.py --out trials

Four trials of 250 samples are written as CSV files, read back and separated together: column k is the same source in
every trial. Each trial alone is too short to identify the mixing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from stradiff import Diffusion, StrADiff, Training, fit_group, read_recording


def write_trials(folder: Path, n_trials: int, n_samples: int) -> None:
    """CSV files of three channels: two rhythms and a slow drift through one matrix, different in every trial."""
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((3, 3))
    time = np.arange(n_samples)
    folder.mkdir(parents=True, exist_ok=True)
    for trial in range(n_trials):
        phase = rng.uniform(0, 2 * np.pi, 3)
        amplitude = 1 + 0.5 * np.sin(0.01 * time + phase[0])
        drift = np.cumsum(rng.standard_normal(n_samples)) / np.sqrt(n_samples)
        sources = np.stack([amplitude * np.sin(0.3 * time + phase[1]), np.sign(np.sin(0.11 * time + phase[2])), drift])
        values = (mixing @ sources).T + 0.02 * rng.standard_normal((n_samples, 3))
        np.savetxt(folder / f"trial_{trial + 1}.csv", values, delimiter=",", header="Fz,Cz,Pz", comments="")


def main() -> None:
    """Write the trials, separate them, and save every fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--samples", type=int, default=250, help="of each trial")
    parser.add_argument("--max-epochs", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=Path("trials"))
    arguments = parser.parse_args()

    write_trials(arguments.out, arguments.trials, arguments.samples)
    trials = {path.stem: read_recording(path) for path in sorted(arguments.out.glob("*.csv"))}
    diffusion = Diffusion(network="none")  # with a matrix, networks change little and take most of the time
    training = Training(max_epochs=arguments.max_epochs)
    estimator = StrADiff(n_components=3, diffusion=diffusion, training=training, random_state=0)
    fits = fit_group(trials, estimator)

    print("mixing, the same in every trial:\n", np.round(fits[0].mixing_, 2))
    for name, fit in zip(trials, fits, strict=True):
        fit.save(arguments.out / f"{name}.stradiff")
        print(name, "standard deviation of the sources:", np.round(fit.sources_.std(axis=0), 2))


if __name__ == "__main__":
    main()
