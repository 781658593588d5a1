"""Missing samples: how well are they filled?

    python benchmarks/missing.py                     # the whole table, about twenty minutes on two cores
    python benchmarks/missing.py --seeds 100 --problems linear
    python benchmarks/missing.py --print             # the tables of the results that are there

A tenth of a simulated recording (T = 1000, three sources, three channels) is taken away: single values, or gaps of 20
samples, of one channel at a time or of whole rows. Filling is judged by the root mean square distance to the true
noise-free recording at the missing places, in standard deviations of the channel (0: perfect, 1: as good as the
channel's mean). Beside ``StrADiff(missing="mask")`` stand straight lines through the gaps of every channel, and SOBI:
learned on the recording with straight lines in its gaps, sources of the whole rows interpolated, then mixed. Also given
are the matched correlations of the sources with the true ones, over all samples, and how often the 95 % bands cover
them inside and outside the gaps. Results go to ``benchmarks/results/missing.json`` as they come, so that a run can be
stopped and resumed.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning

from stradiff import SOBI, StrADiff, match_sources, matched_correlation, simulate
from stradiff.observations import interpolated, seen_values, with_gaps

RESULTS = Path(__file__).parent / "results"
PROBLEMS = {"linear": "linear", "leaky_relu": "mlp"}
GAPS = {
    "values": {"gap_length": 1, "whole_rows": False},
    "gaps of 20": {"gap_length": 20, "whole_rows": False},
    "rows": {"gap_length": 1, "whole_rows": True},
    "gaps of 20 rows": {"gap_length": 20, "whole_rows": True},
}
METHODS = ("straight lines", "SOBI, then interpolate", "StrADiff")
FRACTION = 0.1


def main() -> None:
    """Run what is asked for and is not there yet; print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--gaps", nargs="+", choices=GAPS, default=list(GAPS))
    parser.add_argument("--results", type=Path, default=RESULTS / "missing.json")
    parser.add_argument("--print", action="store_true", help="print the tables of the results that are there")
    arguments = parser.parse_args()
    rows = json.loads(arguments.results.read_text()) if arguments.results.exists() else []
    if not arguments.print:
        there = {(row["problem"], row["gaps"], row["seed"], row["method"]) for row in rows}
        wanted = [
            (problem, gaps, seed, method)
            for seed in arguments.seeds
            for problem in arguments.problems
            for gaps in arguments.gaps
            for method in METHODS
        ]
        for case in [case for case in wanted if case not in there]:
            rows.append(measure(*case))
            arguments.results.write_text(json.dumps(rows, indent=0) + "\n")
            print(rows[-1], flush=True)
    arguments.results.with_suffix(".md").write_text(tables(rows) + "\n")
    print(tables(rows))


def measure(problem: str, gaps: str, seed: int, method: str) -> dict:
    """One method on one recording with gaps."""
    simulation = simulate(problem, seed=seed)
    values = with_gaps(simulation.recording.values, FRACTION, seed=seed, **GAPS[gaps])
    missing, truth = np.isnan(values), simulation.noise_free
    began = time.perf_counter()
    facts: dict = {}
    if method == "straight lines":
        filled = interpolated(values, ~missing)
    elif method == "StrADiff":
        model = StrADiff(3, mixing=PROBLEMS[problem], missing="mask", random_state=seed, verbose=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            filled = model.fit(values).reconstruction_
        facts = judged(model, simulation.sources, missing.any(axis=1))
    else:
        sources, filled = sobi_then_interpolate(values)
        facts = {"correlation": matched_correlation(sources, simulation.sources).tolist()}
    error = ((filled - truth) / truth.std(axis=0))[missing]
    return {
        "problem": problem,
        "gaps": gaps,
        "seed": seed,
        "method": method,
        "error": float(np.sqrt(np.mean(error**2))),
        "seconds": round(time.perf_counter() - began, 2),
        **facts,
    }


def sobi_then_interpolate(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sources and recording: straight lines through the sources of the rows that are whole."""
    seen = seen_values(values)
    separator = SOBI(n_components=3).fit(interpolated(values, seen))
    whole = np.repeat(seen.all(axis=1, keepdims=True), 3, axis=1)
    sources = interpolated(separator.transform(interpolated(values, seen)), whole)
    return sources, separator.inverse_transform(sources)


def judged(model: StrADiff, truth: np.ndarray, gap: np.ndarray) -> dict:
    """How right the sources are, and how often their 95 % bands cover the truth inside and outside the gaps."""
    matching = match_sources(model.sources_, truth)
    half = norm.ppf(0.975) * matching.apply_sd(model.sources_std_)
    inside = np.abs(truth - matching.apply(model.sources_)) <= half
    spread = np.sqrt(np.mean(np.square(model.sources_std_), axis=1))
    return {
        "correlation": matching.correlation.tolist(),
        "covered_in_gaps": float(inside[gap].mean()),
        "covered_elsewhere": float(inside[~gap].mean()),
        "wider_in_gaps": float(np.median(spread[gap]) / np.median(spread[~gap])),
        "epochs": model.n_epochs_,
        "versions": {name: version(name) for name in ("stradiff", "jax", "numpy")},
    }


def tables(rows: list[dict]) -> str:
    """Markdown: one table a problem, medians and worst over seeds."""
    return "\n\n".join(
        f"**{problem}**\n\n" + _table([row for row in rows if row["problem"] == problem])
        for problem in PROBLEMS
        if any(row["problem"] == problem for row in rows)
    )


def _table(rows: list[dict]) -> str:
    lines = [
        "| missing | method | recordings | median error | worst error | median MCC | worst source |"
        " bands cover in gaps, elsewhere | wider in gaps | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for gaps in GAPS:
        for method in METHODS:
            mine = [row for row in rows if (row["gaps"], row["method"]) == (gaps, method)]
            if mine:
                lines.append(_line(gaps, method, mine))
    return "\n".join(lines)


def _line(gaps: str, method: str, rows: list[dict]) -> str:
    error = [row["error"] for row in rows]
    cells = [gaps, method, str(len(rows)), f"{np.median(error):.3f}", f"{max(error):.3f}"]
    if "correlation" in rows[0]:
        correlation = np.array([row["correlation"] for row in rows])
        cells += [f"{np.median(correlation.mean(axis=1)):.4f}", f"{correlation.min():.4f}"]
    else:
        cells += ["", ""]
    if "epochs" in rows[0]:
        covered = [f"{np.mean([row[name] for row in rows]):.2f}" for name in ("covered_in_gaps", "covered_elsewhere")]
        cells += [", ".join(covered), f"{np.median([row['wider_in_gaps'] for row in rows]):.1f} x"]
    else:
        cells += ["", ""]
    cells.append(f"{np.median([row['seconds'] for row in rows]):.2f}")
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
