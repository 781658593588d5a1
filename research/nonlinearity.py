"""Does ``mixing="auto"`` take a network where the mixing is nonlinear, and the matrix where it does not?

    python research/nonlinearity.py                      # what is not in the results yet; about a minute for each row
    python research/nonlinearity.py --print --publish    # the table of the results, and into research/accuracy.md

Both maps are fitted to every recording with default settings, and "auto" is the one that it would take: the matrix
where the network's fit says that linear suffices (``tests/test_auto_mixing.py`` holds that to the bit). T = 1000, three
sources of the study. Rows are kept in ``research/results/nonlinearity.json`` as they come. The rule and its threshold
are those of the finding, and were chosen on seeds 10 and 11.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from one_table import run
from sklearn.exceptions import ConvergenceWarning

from stradiff import SOBI, StrADiff, matched_correlation, simulate
from stradiff.assess import best_linear_unmixing
from stradiff.errors import SeparationWarning
from stradiff.pipeline import LINEAR_SUFFICES

T, N_SOURCES = 1000, 3
LINEAR, NETWORK = "linear", "mlp"
CASES: dict[str, dict[str, Any]] = {
    "linear": {"kind": "linear"},
    "linear, 10 % noise": {"kind": "linear", "noise": 0.1},
    "linear, 10 % noise, m = 6": {"kind": "linear", "noise": 0.1, "n_channels": 6},
    "leaky-ReLU": {"kind": "leaky_relu"},
    "leaky-ReLU, 10 % noise": {"kind": "leaky_relu", "noise": 0.1},
    "tanh": {"kind": "tanh"},
}
WAYS = ("auto", "matrix", "network", "SOBI", "best linear map")


def measure(case: str, seed: int) -> dict[str, Any]:
    """Matched correlations of all sources by every way, and which map "auto" takes."""
    simulation = simulate(n_samples=T, seed=seed, **CASES[case])
    values, truth = simulation.recording.values, simulation.sources
    with warnings.catch_warnings():
        for remark in (ConvergenceWarning, SeparationWarning):
            warnings.simplefilter("ignore", remark)
        fits = {
            kind: StrADiff(N_SOURCES, mixing=kind, random_state=seed, verbose=False).fit(values)
            for kind in (NETWORK, LINEAR)
        }
    taken = LINEAR if any(one["kind"] == LINEAR_SUFFICES for one in fits[NETWORK].diagnostics_) else NETWORK
    answers = (
        fits[taken].sources_,
        fits[LINEAR].sources_,
        fits[NETWORK].sources_,
        SOBI(N_SOURCES).fit_transform(values),
        best_linear_unmixing(values, truth),
    )
    each = {way: matched_correlation(answer, truth).tolist() for way, answer in zip(WAYS, answers, strict=True)}
    return {"case": case, "seed": seed, "taken": taken, "correlation": each}


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: a line for each kind of recording; median MCC over seeds, the worst in brackets."""
    lines = ["| recording | seeds | matrix taken | " + " | ".join(WAYS) + " |", "|" + "---|" * (3 + len(WAYS))]
    for case in CASES:
        mine = [row for row in rows if row["case"] == case]
        if mine:
            means = {way: [np.mean(row["correlation"][way]) for row in mine] for way in WAYS}
            linear = sum(row["taken"] == LINEAR for row in mine)
            cells = [case, str(len(mine)), str(linear)]
            cells += [f"{np.median(means[way]):.4f} ({min(means[way]):.4f})" for way in WAYS]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    run(
        __doc__,
        "nonlinearity",
        CASES,
        measure,
        table,
        title="A network or a matrix",
        page="accuracy.md",
        kind="nonlinearity",
    )
