"""What is the diffusion branch worth? A network for each source, one for all, and none, on the same recordings.

    python research/branch.py                       # what is not in the results yet; 45 minutes on one core
    python research/branch.py --seeds 100 --cases linear --results tried.json
    python research/branch.py --print --publish     # the tables of the results, and into research/branch.md

Every recording has three sources drawn from a known process, T = 500, noise, and gaps of 20 whole rows that take away a
tenth; settings are the defaults but for what a row is named after. One fit answers three questions. Gaps: how far is
what fills them from the true noise-free recording, in deviations of the channel? Bands: how many true values lie
inside, by Laplace and by Monte Carlo? Draws: are new trajectories of the sources like those of the process
(``research/drawing.py``)? Rows are kept in ``research/results/branch.json`` as they come, so that a run can be
stopped and resumed. Seeds from 100 on were looked at while this was written; the tables use 0 to 4.
"""

from __future__ import annotations

import argparse
import json
import re
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bands import monte_carlo_bands
from drawing import T, drawn_from, draws
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning

from stradiff import StrADiff, match_sources, matched_correlation, simulate
from stradiff.config import Diffusion
from stradiff.data import with_gaps
from stradiff.errors import SeparationWarning

ROOT = Path(__file__).parents[1]
GAPS: dict[str, Any] = {"fraction": 0.1, "gap_length": 20, "whole_rows": True}
LEVELS, BANDS = (0.8, 0.95), ("laplace", "monte-carlo")
BRANCHES: dict[str, dict[str, Any]] = {
    "own": {},
    "shared": {"diffusion__shared": True},
    "none": {"diffusion__network": "none"},
    # The start's noise gains a factor of 400 on its way instead of 1.1, so it begins smaller.
    "own, cosine": {"diffusion": Diffusion(schedule="cosine", start_sigma=1e-5), "objective__lambda_diff": 1000.0},
    "own, prior matern32": {"prior": "matern32"},  # draws of better priors than the default one, for comparison
    "own, prior gmm_ar": {"prior": "gmm_ar"},
}
CASES: dict[str, dict[str, Any]] = {  # with the branches they are measured with
    "linear": {"noise": 0.1, "n_channels": 6, "branches": ("own", "none", "shared", "own, cosine")},
    "leaky-ReLU": {"kind": "leaky_relu", "noise": 0.02, "branches": ("own", "none")},
    "linear, multimodal sources": {
        "process": "multimodal",
        "noise": 0.1,
        "n_channels": 6,
        "branches": ("own", "own, prior matern32", "own, prior gmm_ar"),
    },
}
BLOCK = re.compile(r"<!-- table: (\w+) -->\n.*?<!-- end of table -->", re.DOTALL)


def main() -> None:
    """Run what is asked for and is not there yet; print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--results", type=Path, default=ROOT / "research" / "results" / "branch.json")
    parser.add_argument("--print", action="store_true", help="print the tables of the results that are there")
    parser.add_argument("--publish", action="store_true", help="put the tables into research/branch.md as well")
    arguments = parser.parse_args()
    rows = json.loads(arguments.results.read_text()) if arguments.results.exists() else []
    known = {(row["case"], row["branch"], row["seed"]) for row in rows}
    pairs = [(case, branch) for case in arguments.cases for branch in CASES[case]["branches"]]
    asked = [(*pair, seed) for seed in arguments.seeds for pair in pairs]
    for one in [] if arguments.print else [one for one in asked if one not in known]:
        rows.append(measure(*one))
        arguments.results.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
        print({name: value for name, value in rows[-1].items() if name != "draws"}, flush=True)
    print("\n\n".join(table(rows) for table in TABLES.values()))
    if arguments.publish:
        page = ROOT / "research" / "branch.md"
        page.write_text(filled(page.read_text(), rows))


def measure(case: str, branch: str, seed: int) -> dict[str, Any]:
    """One fit, and all that is asked of it."""
    options = {"kind": "linear", "process": "rbf"} | CASES[case]
    process, linear = options.pop("process"), options["kind"] == "linear"
    del options["branches"]
    simulation = simulate(sources=drawn_from(process, seed), n_samples=T, seed=seed, **options)
    values, truth = with_gaps(simulation.recording.values, seed=seed, **GAPS), simulation.sources
    model = StrADiff(3, mixing="linear" if linear else "mlp", missing="mask", random_state=seed, verbose=False)
    began, missing = time.process_time(), np.isnan(values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", SeparationWarning)
        model.set_params(**BRANCHES[branch]).fit(values)
    row = {"case": case, "branch": branch, "seed": seed, "seconds": round(time.process_time() - began, 1)}
    row |= {"epochs": model.n_epochs_, "correlation": matched_correlation(model.sources_, truth).tolist()}
    error = ((model.reconstruction_ - simulation.noise_free) / simulation.noise_free.std(axis=0))[missing]
    row |= {"error": float(np.sqrt(np.mean(error**2)))} | bands(model, truth, missing.any(axis=1))
    ways = {"prior": linear and branch.startswith("own"), "afterwards": linear and branch == "own"}
    return row | {"draws": draws(model, process, truth, seed, **ways)}


def bands(model: StrADiff, truth: np.ndarray, gap: np.ndarray) -> dict[str, Any]:
    """Coverage at LEVELS where samples were seen and in the gaps, and median standard deviation where seen."""
    every = [(model.sources_, model.sources_std_), monte_carlo_bands(model)]
    scores = {}
    for name, (mean, spread) in zip(BANDS, every, strict=True):
        matching = match_sources(mean, truth)
        off, spread = np.abs(truth - matching.apply(mean)), matching.apply_sd(spread)
        inside = [off <= norm.ppf((1 + level) / 2) * spread for level in LEVELS]
        seen, unseen = ([float(one[rows].mean()) for one in inside] for rows in (~gap, gap))
        scores[name] = {"seen": seen, "gaps": unseen, "width": float(np.median(spread[~gap]))}
    return scores


def gaps_table(rows: list[dict]) -> str:
    """Filling and separation of recordings with gaps."""
    head = "| recording | branch | seeds | filling error, median | worst | MCC, median | worst source | epochs |"
    return _table(head, rows, _gaps_cells)


def _gaps_cells(rows: list[dict]) -> list[str]:
    error, every = [row["error"] for row in rows], np.array([row["correlation"] for row in rows])
    cells = [f"{np.median(error):.3f}", f"{max(error):.3f}", f"{np.median(every.mean(axis=1)):.4f}"]
    return [*cells, f"{every.min():.3f}", f"{np.median([row['epochs'] for row in rows]):.0f}"]


def bands_table(rows: list[dict]) -> str:
    """Coverage in per cent, mean and range over seeds, and width."""
    head = "| recording | branch | bands | seeds | 80 %, seen | 95 %, seen | 80 %, gaps | 95 %, gaps | width |"
    named = [row | {"branch": f"{row['branch']} | {name}", **row[name]} for row in rows for name in BANDS]
    return _table(head, named, _bands_cells)


def _bands_cells(rows: list[dict]) -> list[str]:
    covered = 100 * np.array([row["seen"] + row["gaps"] for row in rows])
    cells = [f"{np.mean(level):.1f} ({np.min(level):.0f}–{np.max(level):.0f})" for level in covered.T]
    return [*cells, f"{np.median([row['width'] for row in rows]):.3f}"]


def draws_table(rows: list[dict]) -> str:
    """Every way to draw new trajectories: medians over seeds for the slow, the middle and the fast source."""
    head = "| recording | branch | drawn by | seeds | spectrum, dB | worst | amplitude | repeats | nats | worst |"
    ways = [
        row | {"branch": f"{row['branch']} | {way}", **scores}
        for row in rows
        for way, scores in row["draws"].items()
        if row["branch"] == "own" or way != "truth"  # it is the same for all
    ]
    return _table(head, ways, _draws_cells)


def _draws_cells(rows: list[dict]) -> list[str]:
    spectrum, amplitude, repeats = (np.array([row[it] for row in rows]) for it in ("spectrum", "amplitude", "repeats"))
    cells = [_each(spectrum, 1), f"{spectrum.max():.1f}", _each(amplitude, 2), _each(repeats, 2)]
    if "density" not in rows[0]:
        return [*cells, "", ""]
    above = np.array([np.subtract(row["density"], row["draws"]["truth"]["density"]) for row in rows])
    return [*cells, _each(above, 2), f"{above.flat[np.abs(above).argmax()]:.2f}"]


def _each(values: np.ndarray, digits: int) -> str:
    return " / ".join(f"{median:.{digits}f}" for median in np.median(values, axis=0))


def _table(head: str, rows: list[dict], cells: Callable[[list[dict]], list[str]]) -> str:
    """Markdown: a line for each recording and branch, in the order of CASES."""
    lines = [head, "|" + "---|" * (head.count("|") - 1)]
    groups = dict.fromkeys((row["case"], row["branch"]) for row in rows)
    for case, branch in sorted(groups, key=lambda group: list(CASES).index(group[0])):
        mine = [row for row in rows if (row["case"], row["branch"]) == (case, branch)]
        lines.append("| " + " | ".join([case, branch, str(len(mine)), *cells(mine)]) + " |")
    return "\n".join(lines)


TABLES = {"gaps": gaps_table, "bands": bands_table, "draws": draws_table}


def filled(page: str, rows: list[dict]) -> str:
    """``page`` with the tables of ``rows`` between ``<!-- table: NAME -->`` and ``<!-- end of table -->``."""
    block = "<!-- table: {0} -->\n\n{1}\n\n<!-- end of table -->"
    return BLOCK.sub(lambda match: block.format(match[1], TABLES[match[1]](rows)), page)


if __name__ == "__main__":
    main()
