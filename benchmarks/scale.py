"""What a longer recording, more sources, more channels or more of them cost: time and memory, measured.

    python benchmarks/scale.py                      # what is not in the results yet; about five hours on two cores
    python benchmarks/scale.py --parts prior --again
    python benchmarks/scale.py --quick              # small cases, only to see that everything runs
    python benchmarks/scale.py --print --publish    # what is there already, as tables and as a page of the docs

Six parts. ``prior``: value and gradient beside an FFT, for every kernel (``scaling/prior.py``). ``epochs``: an epoch
against T, n, m and L (``scaling/epochs.py``). ``fits``: whole fits (``scaling/fits.py``); ``long``: one of half an hour
of 64 channels. ``network``: convolutional branches beside dense ones. ``workers``: many recordings on a cluster. Every
row is measured in a process of its own, and goes to ``benchmarks/results/scale.json`` as it comes, so a run can be
stopped and resumed. The machine should have nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from scaling import epochs, fits, long, network, prior, tables, workers
from scaling.machine import check
from scaling.one_process import fresh
from scaling.publish import publish
from scaling.tables import Results

ROOT = Path(__file__).parents[1]
PARTS = {"prior": prior, "epochs": epochs, "fits": fits, "long": long, "network": network, "workers": workers}
BUSY = 0.5  # load average from which a warning is due


def main() -> None:
    """Measure what is asked for and is not there yet; print the tables."""
    arguments = parse()
    path = arguments.results or ROOT / "benchmarks" / "results" / f"scale{'-quick' if arguments.quick else ''}.json"
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
    parser.add_argument("--again", action="store_true", help="measure what is asked for even where it is there already")
    parser.add_argument("--quick", action="store_true", help="small cases, kept in a file of their own")
    parser.add_argument("--results", type=Path, help="file to resume and extend (default: results/scale.json)")
    parser.add_argument("--print", action="store_true", help="print the tables of the results that are there")
    parser.add_argument("--publish", action="store_true", help="put tables and pictures into the docs as well")
    return parser.parse_args()


def measure(results: Results, path: Path, arguments: argparse.Namespace) -> None:
    """Every case of every part that is missing, written as it comes."""
    anew = arguments.again and set(arguments.parts) == set(PARTS)
    results["machine"] = check(results.get("machine"), anew)
    if results["machine"]["load_before"] > BUSY:
        load = results["machine"]["load_before"]
        print(f"This machine is busy (load average {load:.1f}): times will be too long, and their ratios unsteady.")
    for name in arguments.parts:
        rows = results.setdefault(name, [])
        if arguments.again:
            rows.clear()
        for case in PARTS[name].cases(arguments.quick):
            if not any(row["case"] == case for row in rows):
                rows.append(fresh(name, case, PARTS[name].LIMIT))
                write(results, path)
                print(name, tables.words(case), "measured", flush=True)


def write(results: Results, path: Path) -> None:
    """Whole or not at all, so that a run can be stopped at any moment."""
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(results, indent=1) + "\n")
    os.replace(draft, path)


if __name__ == "__main__":
    main()
