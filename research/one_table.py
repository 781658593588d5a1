"""A benchmark of cases by seeds that makes one table: its command line, its results as they come, and its page."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pages import filled

ROOT = Path(__file__).parents[1]
Rows = list[dict[str, Any]]


def run(
    description: str | None,
    name: str,
    cases: Iterable[str],
    measure: Callable[[str, int], dict[str, Any]],
    table: Callable[[Rows], str],
    *,
    title: str,
    page: str,
    kind: str,
    seeds_of: Callable[[str], Iterable[int]] = lambda case: range(5),
) -> None:
    """Measure what is asked for and is not in ``results/name.json`` yet; print the table, and put it into the page.

    ``seeds_of(case)`` are the seeds measured where the command line names none.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", help="instead of those of the table")
    parser.add_argument("--cases", nargs="+", choices=list(cases), default=list(cases))
    parser.add_argument("--results", type=Path, default=ROOT / "research" / "results" / f"{name}.json")
    parser.add_argument("--print", action="store_true", help="print the table of the results that are there")
    parser.add_argument("--publish", action="store_true", help=f"put the table into research/{page} as well")
    arguments = parser.parse_args()
    rows: Rows = json.loads(arguments.results.read_text()) if arguments.results.exists() else []
    known = {(row["case"], row["seed"]) for row in rows}
    asked = [(case, seed) for case in arguments.cases for seed in arguments.seeds or seeds_of(case)]
    for one in [] if arguments.print else [one for one in asked if one not in known]:
        rows.append(measure(*one))
        arguments.results.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
        print(rows[-1], flush=True)
    print(table(rows))
    arguments.results.with_suffix(".md").write_text(f"# {title}\n\n{table(rows)}\n")
    if arguments.publish:
        document = ROOT / "research" / page
        document.write_text(filled(document.read_text(), kind, lambda _: table(rows)))
