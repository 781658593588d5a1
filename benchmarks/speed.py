"""How fast is an epoch, how long does a fit take, and how much quicker could it be on this machine?

    python benchmarks/speed.py                      # what is not in the results yet; within fifteen minutes
    python benchmarks/speed.py --parts epochs --again
    python benchmarks/speed.py --quick              # few epochs, only to see that everything runs
    python benchmarks/speed.py --print --publish    # what is there already, as tables and as a page of the docs

Four parts, all on T = 1000, n = 3, L = 20. ``epochs``: the same epoch of preset "paper" in PyTorch as the paper is
written, in JAX without the library's optimisations, and in the library, in turn (``pace/rounds.py``); PyTorch comes
with ``pip install '.[benchmarks]'``. ``fits``: whole fits of the default preset from a process that never compiled
anything, again, and from a new process (``pace/fits.py``). ``roofline``: what memory and arithmetic allow
(``pace/roofline.py``). ``parts``: where an epoch goes (``pace/parts.py``). Results go to
``benchmarks/results/speed.json`` as they come, so a run can be stopped and resumed. The machine should have nothing
else to do.
"""

from __future__ import annotations

import argparse
import json
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pace import fits, machine, parts, roofline, rounds, tables
from pace.problem import MAPS
from pace.publish import publish
from pace.tables import Results

ROOT = Path(__file__).parents[1]
PARTS = ("epochs", "fits", "roofline", "parts")
ROUNDS, QUICK_ROUNDS, QUICK_SHARE, QUICK_EPOCHS = 7, 1, 0.2, 300
BUSY = 0.5  # load average from which a warning is due
LIBRARIES = ("stradiff", "jax", "torch", "numpy")


def main() -> None:
    """Measure what is asked for and is not there yet; print the tables."""
    arguments = parse()
    path = arguments.results or ROOT / "benchmarks" / "results" / f"speed{'-quick' if arguments.quick else ''}.json"
    results: Results = json.loads(path.read_text()) if path.exists() else {}
    if not arguments.print:
        measure(results, path, arguments)
    text = tables.page(results)
    path.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    print(text)
    if arguments.publish:
        publish(results, ROOT / "docs")


def parse() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--problems", nargs="+", choices=MAPS, default=list(MAPS))
    parser.add_argument("--rounds", type=int, help=f"of the epochs, each of the three in turn (default: {ROUNDS})")
    parser.add_argument("--again", action="store_true", help="measure what is asked for even where it is there already")
    parser.add_argument("--quick", action="store_true", help="few epochs, kept in a file of their own")
    parser.add_argument("--results", type=Path, help="file to resume and extend (default: results/speed.json)")
    parser.add_argument("--print", action="store_true", help="print the tables of the results that are there")
    parser.add_argument("--publish", action="store_true", help="put tables and pictures into the docs as well")
    return parser.parse_args()


def measure(results: Results, path: Path, arguments: argparse.Namespace) -> None:
    """Every part of every problem that is missing, written as it comes."""
    if "epochs" in arguments.parts:
        rounds.check_installed()
    check_machine(results, arguments)
    for name in arguments.parts:
        if arguments.again:
            results[name] = [row for row in results.get(name, []) if row["problem"] not in arguments.problems]
        rows = results.setdefault(name, [])
        for problem in arguments.problems:
            there = [row for row in rows if row["problem"] == problem]
            for row in missing(name, problem, len(there), arguments):
                rows.append(row)
                write(results, path)
                print(name, problem, "measured", flush=True)


def missing(name: str, problem: str, n_there: int, arguments: argparse.Namespace):
    """The rows that a part still lacks, measured one after the other; a fit's situations come together."""
    if name == "epochs":
        wanted = arguments.rounds or (QUICK_ROUNDS if arguments.quick else ROUNDS)
        if wanted > n_there:
            yield from rounds.rounds(problem, wanted - n_there, QUICK_SHARE if arguments.quick else 1.0)
    elif not n_there and name == "fits":
        yield from fits.fits(problem, QUICK_EPOCHS if arguments.quick else None)
    elif not n_there and name == "parts":
        yield parts.measured(problem, **({"turns": 5, "runs": 2} if arguments.quick else {}))
    elif not n_there:
        yield roofline.measured(problem, **({"n_epochs": 10, "runs": 2} if arguments.quick else {}))


def check_machine(results: Results, arguments: argparse.Namespace) -> None:
    """Refuse to go on with the results of another machine; remark on one that has other work to do."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    here = {"processor": machine.processor(), "cores": machine.cores(), "versions": versions()}
    there = {name: value for name, value in results.get("machine", here).items() if name in here}
    everything = set(arguments.parts) == set(PARTS) and set(arguments.problems) == set(MAPS)
    if there != here and not (arguments.again and everything):
        raise SystemExit(
            f"The results there are of {there}, this is {here}: name another file (--results), or measure everything "
            "anew (--again)."
        )
    if load > BUSY:
        print(f"This machine is busy (load average {load:.1f}): times will be too long, and their ratios unsteady.")
    results["machine"] = {**here, "load_before": round(load, 2)}


def versions() -> dict[str, str]:
    """Of what is timed, where it is installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write(results: Results, path: Path) -> None:
    """Whole or not at all, so that a run can be stopped at any moment."""
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(results, indent=1) + "\n")
    os.replace(draft, path)


if __name__ == "__main__":
    main()
