"""The study of the paper's section 3: three artificial sources, T = 1000, linear and nonlinear mixing, ten mixings.

    python research/study.py                     # the whole table, about an hour on two cores
    python research/study.py --seeds 0 1 --problems linear --presets default
    python research/study.py --epoch             # the cost of an epoch with the fast and with the dense prior

Every fit is judged by its matched absolute Pearson correlation with the true sources; the truth is used for nothing
else. Beside it stand SOBI, FastICA and the best linear unmixing, least squares onto the true sources, which no linear
method can beat. Results go to ``research/results/study.json`` as they come, so that a run can be stopped and resumed;
the tables are printed and kept beside it in ``study.md``; ``--print`` makes them from the file again.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from stradiff import SOBI, FastICA, StrADiff, best_linear_unmixing, matched_correlation, simulate
from stradiff.config import Training
from stradiff.model.priors import GaussianProcess

RESULTS = Path(__file__).parent / "results"
PROBLEMS = {"linear": "linear", "leaky_relu": "mlp", "tanh": "mlp"}
BASELINES = ("SOBI", "FastICA", "best linear (oracle)")
PRESETS = ("default", "paper")


def main() -> None:
    """Run what is asked for and is not there yet; print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 11)))
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=list(PRESETS))
    parser.add_argument("--results", type=Path, default=RESULTS / "study.json")
    parser.add_argument("--print", action="store_true", help="print the tables of the results that are there")
    parser.add_argument("--epoch", action="store_true", help="measure the cost of one epoch instead")
    arguments = parser.parse_args()
    if arguments.epoch:
        printed = epoch_cost()
        (RESULTS / "epoch.md").write_text(printed + "\n")
        print(printed)
        return
    rows = json.loads(arguments.results.read_text()) if arguments.results.exists() else []
    if not arguments.print:
        for seed in arguments.seeds:
            for problem in arguments.problems:
                run_missing(rows, problem, seed, arguments.presets, arguments.results)
    arguments.results.with_suffix(".md").write_text(tables(rows) + "\n")
    print(tables(rows))


def run_missing(rows: list[dict], problem: str, seed: int, presets: list[str], path: Path) -> None:
    """Add the rows of one recording that ``rows`` lacks, and write the file after each."""
    known = {row["method"] for row in rows if (row["problem"], row["seed"]) == (problem, seed)}
    methods = [*BASELINES, *(f"StrADiff {preset}" for preset in presets)]
    for method in [method for method in methods if method not in known]:
        row = measure(problem, seed, method)
        rows.append(row)
        path.write_text(json.dumps(rows, indent=0) + "\n")
        print(problem, seed, method, np.round(row["correlation"], 4), f"{row['seconds']:.1f} s", flush=True)


def measure(problem: str, seed: int, method: str) -> dict:
    """One method on one recording."""
    simulation = simulate(problem, seed=seed)
    observed, truth = simulation.recording.values, simulation.sources
    began, facts = time.perf_counter(), {}
    if method == "best linear (oracle)":
        sources = best_linear_unmixing(observed, truth)
    elif method in ("SOBI", "FastICA"):
        separator = SOBI(n_components=3) if method == "SOBI" else FastICA(n_components=3, random_state=0)
        sources = separator.fit_transform(observed)
    else:
        preset = method.removeprefix("StrADiff ")
        model = StrADiff(3, mixing=PROBLEMS[problem], preset=preset, random_state=seed, verbose=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            sources = model.fit_transform(observed)
        facts = {
            "epochs": model.n_epochs_,
            "converged": model.converged_,
            "length_scales": model.length_scales_.tolist(),
            "objective": float(model.history_["total"][-100:].mean()),
            "versions": {name: version(name) for name in ("stradiff", "jax", "numpy")},
        }
    seconds = round(time.perf_counter() - began, 2)
    correlation = matched_correlation(sources, truth).tolist()
    return {
        "problem": problem,
        "seed": seed,
        "method": method,
        "correlation": correlation,
        "seconds": seconds,
        **facts,
    }


def tables(rows: list[dict]) -> str:
    """Markdown: one table a problem, median and worst over seeds, and how often StrADiff is above SOBI."""
    parts = []
    for problem in PROBLEMS:
        own = [row for row in rows if row["problem"] == problem]
        if own:
            parts.append(f"**{problem}**\n\n" + _table(own))
    return "\n\n".join(parts)


def _table(rows: list[dict]) -> str:
    lines = [
        "| method | mixings | median MCC | worst MCC | median per source (slow, middle, fast) | worst source"
        " | MCC above SOBI | epochs | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    sobi = {row["seed"]: np.mean(row["correlation"]) for row in rows if row["method"] == "SOBI"}
    for method in [*BASELINES, *(f"StrADiff {preset}" for preset in PRESETS)]:
        mine = [row for row in rows if row["method"] == method]
        if mine:
            lines.append(_line(method, mine, sobi))
    return "\n".join(lines)


def _line(method: str, rows: list[dict], sobi: dict[int, float]) -> str:
    correlation = np.array([row["correlation"] for row in rows])
    mean = correlation.mean(axis=1)
    above = sum(np.mean(row["correlation"]) > sobi[row["seed"]] for row in rows)
    cells = [
        method,
        str(len(rows)),
        f"{np.median(mean):.4f}",
        f"{mean.min():.4f}",
        ", ".join(f"{value:.4f}" for value in np.median(correlation, axis=0)),
        f"{correlation.min():.4f}",
        "" if method in BASELINES else f"{above} of {len(rows)}",
        f"{np.median([row['epochs'] for row in rows]):.0f}" if "epochs" in rows[0] else "",
        f"{np.median([row['seconds'] for row in rows]):.2f}",
    ]
    return "| " + " | ".join(cells) + " |"


def epoch_cost() -> str:
    """One epoch of preset "paper", T = 1000, n = 3, L = 20: the fast prior beside the dense one, in one run."""
    observed = simulate("linear", seed=0).recording.values
    few, many = {"fast": 200, "dense": 5}, {"fast": 2200, "dense": 25}
    lines = ["| prior | seconds per epoch |", "|---|---|"]
    seconds = {}
    for solver in ("fast", "dense"):
        spent = []
        for epochs in (few[solver], many[solver]):
            prior, training = GaussianProcess(solver=solver), Training(max_epochs=epochs)
            model = StrADiff(3, preset="paper", prior=prior, training=training, random_state=0, verbose=False)
            began = time.perf_counter()
            model.fit(observed)
            spent.append(time.perf_counter() - began)
            if epochs == few[solver]:  # the first fit also compiled; do it again, so that only epochs differ
                began = time.perf_counter()
                model.fit(observed)
                spent[0] = time.perf_counter() - began
        seconds[solver] = (spent[1] - spent[0]) / (many[solver] - few[solver])
        lines.append(f"| {solver} | {seconds[solver]:.4f} |")
    return "\n".join([*lines, f"\nThe dense epoch costs {seconds['dense'] / seconds['fast']:.0f} times the fast one."])


if __name__ == "__main__":
    main()
