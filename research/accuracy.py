"""How well does it separate? Problems with known truth, many methods on the same data, targets and outcomes.

    python research/accuracy.py                      # everything that is not in the results yet
    python research/accuracy.py --quick              # a few problems and seeds, within ten minutes on two cores
    python research/accuracy.py --tiers linear leaky --seeds 100 101 --methods StrADiff SOBI --results tried.json
    python research/accuracy.py --print --publish    # what is there already, as tables and in the page

The truth scores the answers; no fit sees it. Seeds below 100 are for the tables alone, settings are found on seeds from
100 on. Each row is measured in a process of its own with one thread and kept in
``research/results/accuracy.json`` as soon as it is there, so a run can be stopped and resumed; a method that fails
leaves its error there. The problems are listed in ``contest/tiers.py``, the methods in ``contest/methods.py``. Problems
with the real sources are left out where their file is not found.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Mapping
from itertools import product
from pathlib import Path

from contest import runner, tables
from contest.methods import METHODS
from contest.problems import REAL_VARIABLE, find_real
from contest.publish import publish
from contest.runner import Task
from contest.tiers import ALL_METHODS, QUICK, TIERS, Tier

RESULTS = Path(__file__).parent / "results"
QUICK_SEEDS, QUICK_METHODS = (20, 21), ALL_METHODS


def main() -> None:
    """Measure what is asked for and is not there yet; print the tables."""
    arguments = parse()
    rows = update(arguments, TIERS, RESULTS / ("accuracy-quick.json" if arguments.quick else "accuracy.json"))
    if arguments.publish:
        publish(rows, Path(__file__).parent)


def parse() -> argparse.Namespace:
    """The options of the command line."""
    parser = options(TIERS, __doc__)
    parser.add_argument("--quick", action="store_true", help="a few problems and seeds, kept in a file of their own")
    parser.add_argument("--publish", action="store_true", help="put tables and pictures into its page as well")
    return parser.parse_args()


def update(arguments: argparse.Namespace, tiers: Mapping[str, Tier], default: Path) -> list[runner.Row]:
    """The rows of a file with those that are asked for and were missing; their tables are printed and kept beside."""
    path = arguments.results or default
    rows = runner.read(path)
    if not arguments.print:
        asked = tasks(arguments, tiers)
        if arguments.again:
            keys = {task.key for task in asked}
            rows = [row for row in rows if key(row) not in keys]
        measured = {key(row) for row in rows}
        measure([task for task in asked if task.key not in measured], rows, path, arguments)
    text = tables.page(rows, tiers)
    path.with_suffix(".md").write_text(text + "\n")
    print(text)
    return rows


def options(tiers: Mapping[str, Tier], words: str | None) -> argparse.ArgumentParser:
    """The options of a benchmark of ``tiers`` on the command line."""
    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(quick=False)
    parser.add_argument("--tiers", nargs="+", choices=tiers, default=list(tiers), metavar="TIER", help=", ".join(tiers))
    parser.add_argument("--problems", nargs="+", metavar="NAME", help="only these problems of the tiers")
    parser.add_argument("--seeds", type=int, nargs="+", help="instead of those of each tier")
    parser.add_argument("--methods", nargs="+", choices=METHODS, metavar="METHOD", help=", ".join(METHODS))
    parser.add_argument("--again", action="store_true", help="measure what is asked for even where it is there already")
    parser.add_argument("--jobs", type=int, default=2, help="processes side by side (default: 2)")
    parser.add_argument("--here", action="store_true", help="one after another in this process, for quick methods")
    parser.add_argument("--limit", type=float, default=1800.0, help="seconds after which a measurement is ended")
    parser.add_argument("--results", type=Path, help="file to resume and extend (default: in results/)")
    parser.add_argument("--real", type=Path, help=f"file of the real sources (or the variable {REAL_VARIABLE})")
    parser.add_argument("--print", action="store_true", help="print the tables of the results that are there")
    return parser


def tasks(arguments: argparse.Namespace, tiers: Mapping[str, Tier] = TIERS) -> list[Task]:
    """All rows asked for, seed by seed within each tier, without repetition."""
    real = find_real(arguments.real)
    asked_for: dict[tuple[str, str, int], Task] = {}
    for tier in (tiers[name] for name in arguments.tiers):
        seeds = arguments.seeds or (QUICK_SEEDS if arguments.quick else tier.seeds)
        methods = arguments.methods or (QUICK_METHODS if arguments.quick else tier.methods)
        named = arguments.problems or (QUICK if arguments.quick else [problem.name for problem in tier.problems])
        problems = [problem for problem in tier.problems if problem.name in named]
        for problem in [problem for problem in problems if problem.sources == "real" and not real.exists()]:
            print(f"Left out: {problem.name}; there is no {real.name} (--real PATH or {REAL_VARIABLE} says where).")
            problems.remove(problem)
        new = [Task(*chosen) for seed in seeds for chosen in product(problems, methods, [seed])]
        asked_for.update({task.key: task for task in new if task.key not in asked_for})
    return list(asked_for.values())


def measure(missing: list[Task], rows: list[runner.Row], path: Path, arguments: argparse.Namespace) -> None:
    """Run what is missing; what was compiled for one row is kept for the next, so that times are those of computing."""
    if arguments.here:
        return runner.run_here(missing, rows, path, real=find_real(arguments.real))
    cache = tempfile.mkdtemp(prefix="accuracy-")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", cache)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    try:
        runner.run(missing, rows, path, jobs=arguments.jobs, limit=arguments.limit, real=find_real(arguments.real))
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def key(row: runner.Row) -> tuple[str, str, int]:
    """What makes a row one of a kind."""
    return row["problem"], row["method"], row["seed"]


if __name__ == "__main__":
    main()
