"""What is one mixing map for several short recordings worth? Together, each alone, and SOBI on all of them.

    python research/group.py                      # what is not in the results yet; ten minutes on one core
    python research/group.py --print --publish    # the tables of the results, and into research/group.md

Four trials of T = 250 have one mixing, and each has three Gaussian processes of its own (RBF, length-scales of 50, 15
and 5 samples): behind a matrix with 10 % noise, or behind a leaky-ReLU network with 2 %. Settings are the defaults but
for training, which ends after 1,000 epochs at the latest to keep the run short, for a group and for a single trial.
Rows are kept in ``research/results/group.json`` as they come. Seeds from 100 on were looked at while this was
written; the tables use 0 to 4.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from one_table import run
from sklearn.exceptions import ConvergenceWarning

from stradiff import SOBI, StrADiff, fit_group, matched_correlation, simulate
from stradiff.config import Training
from stradiff.data.sources import gp_sources
from stradiff.errors import SeparationWarning

TRIALS, T, MOST_EPOCHS = 4, 250, 1000
CASES: dict[str, dict[str, Any]] = {
    "linear": {"kind": "linear", "noise": 0.1},
    "leaky-ReLU": {"kind": "leaky_relu", "noise": 0.02},
}
WAYS = ("together", "each alone", "SOBI on all")


def trials(case: str, seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Recordings ``(T, m)`` and true sources ``(T, n)`` of all trials."""
    sources = np.vstack([gp_sources(T, seed=1000 * seed + number) for number in range(TRIALS)])
    simulation = simulate(sources=sources, seed=seed, **CASES[case])
    return np.split(simulation.recording.values, TRIALS), np.split(simulation.sources, TRIALS)


def measure(case: str, seed: int) -> dict[str, Any]:
    """Matched correlations ``(trials, n)`` by every way, and the seconds of processor time it took."""
    recordings, truth = trials(case, seed)
    mixing = "linear" if case == "linear" else "mlp"
    model = StrADiff(3, mixing=mixing, training=Training(max_epochs=MOST_EPOCHS), random_state=seed, verbose=False)

    def alone() -> list[np.ndarray]:
        return [model.fit(one).sources_ for one in recordings]

    def sobi() -> list[np.ndarray]:
        return np.split(SOBI(3).fit(np.vstack(recordings)).transform(np.vstack(recordings)), TRIALS)

    row: dict[str, Any] = {"case": case, "seed": seed}
    for way, separated in zip(
        WAYS, (lambda: [one.sources_ for one in fit_group(recordings, model)], alone, sobi), strict=True
    ):
        began = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.simplefilter("ignore", SeparationWarning)
            sources = separated()
        every = [matched_correlation(mine, true).tolist() for mine, true in zip(sources, truth, strict=True)]
        row[way] = {"correlation": every, "seconds": round(time.process_time() - began, 1)}
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: a line for each kind of recording and each way."""
    lines = ["| recording | separated | seeds | MCC, median | worst trial | worst source | seconds, median |"]
    lines.append("|" + "---|" * 7)
    for case in CASES:
        mine = [row for row in rows if row["case"] == case]
        for way in WAYS if mine else ():
            every = np.array([row[way]["correlation"] for row in mine])  # (seeds, trials, n)
            means = every.mean(axis=2)
            cells = [f"{np.median(means.mean(axis=1)):.3f}", f"{means.min():.3f}", f"{every.min():.3f}"]
            cells.append(f"{np.median([row[way]['seconds'] for row in mine]):.0f}")
            lines.append("| " + " | ".join([case, way, str(len(mine)), *cells]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    run(__doc__, "group", CASES, measure, table, title="Several recordings, one mixing", page="group.md", kind="table")
