"""Does ``mixing="auto"`` take a network where the mixing bends, and the matrix where it does not?

    python benchmarks/bending.py                      # what is not in the results yet; about a minute for each row
    python benchmarks/bending.py --print --publish    # the table of the results, and into docs/accuracy.md

Both maps are fitted to every recording with default settings, and "auto" is the one that it would take: the matrix
where the network's fit says that linear suffices (``tests/test_bending.py`` holds that to the bit). T = 1000, three
sources of the study. Rows are kept in ``benchmarks/results/bending.json`` as they come. The rule and its threshold are
those of the finding, and were not tuned here.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from pages import filled
from sklearn.exceptions import ConvergenceWarning

from stradiff import SOBI, StrADiff, matched_correlation, simulate
from stradiff.bending import BENT, KIND, STRAIGHT
from stradiff.errors import SeparationWarning
from stradiff.evaluation import best_linear_unmixing

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "bending.json"
T, N_SOURCES = 1000, 3
CASES: dict[str, dict[str, Any]] = {
    "linear": {"kind": "linear"},
    "linear, 10 % noise, m = 6": {"kind": "linear", "noise": 0.1, "n_channels": 6},
    "leaky-ReLU": {"kind": "leaky_relu"},
    "tanh": {"kind": "tanh"},
}
WAYS = ("auto", "matrix", "network", "SOBI", "best linear map")


def main() -> None:
    """Run what is asked for and is not there yet; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--print", action="store_true", help="print the table of the results that are there")
    parser.add_argument("--publish", action="store_true", help="put the table into docs/accuracy.md as well")
    arguments = parser.parse_args()
    rows = json.loads(arguments.results.read_text()) if arguments.results.exists() else []
    there = {(row["case"], row["seed"]) for row in rows}
    asked = [(case, seed) for seed in arguments.seeds for case in arguments.cases]
    for one in [] if arguments.print else [one for one in asked if one not in there]:
        rows.append(measure(*one))
        arguments.results.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
        print(rows[-1], flush=True)
    print(table(rows))
    arguments.results.with_suffix(".md").write_text(f"# A network or a matrix\n\n{table(rows)}\n")
    if arguments.publish:
        page = ROOT / "docs" / "accuracy.md"
        page.write_text(filled(page.read_text(), "bending", lambda _: table(rows)))


def measure(case: str, seed: int) -> dict[str, Any]:
    """Matched correlations of all sources by every way, and which map "auto" takes."""
    simulation = simulate(n_samples=T, seed=seed, **CASES[case])
    values, truth = simulation.recording.values, simulation.sources
    with warnings.catch_warnings():
        for remark in (ConvergenceWarning, SeparationWarning):
            warnings.simplefilter("ignore", remark)
        fits = {
            kind: StrADiff(N_SOURCES, mixing=kind, random_state=seed, verbose=False).fit(values)
            for kind in (BENT, STRAIGHT)
        }
    taken = STRAIGHT if any(one["kind"] == KIND for one in fits[BENT].diagnostics_) else BENT
    answers = (
        fits[taken].sources_,
        fits[STRAIGHT].sources_,
        fits[BENT].sources_,
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
            straight = sum(row["taken"] == STRAIGHT for row in mine)
            cells = [case, str(len(mine)), str(straight)]
            cells += [f"{np.median(means[way]):.4f} ({min(means[way]):.4f})" for way in WAYS]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
