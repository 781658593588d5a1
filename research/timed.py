"""A benchmark of times on one machine: its command line, its results as they come, and its part of a page."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import pages
from matplotlib.figure import Figure
from timing import machine

ROOT = Path(__file__).parents[1]
BUSY = 0.5  # load average from which a warning is due

Results = dict[str, Any]
Row = dict[str, Any]


class Timed(NamedTuple):
    """What is measured by parts, and shown by tables and pictures."""

    name: str
    """Of the results' file, and of its places in the page."""
    parts: Sequence[str]
    libraries: Sequence[str]
    """That are timed; their versions stand beside the results."""
    tables: ModuleType
    """``part(name, results)`` and ``page(results)`` in Markdown."""
    pictures: dict[str, tuple[str, Callable[[Any], Figure]]]
    """Of a part's results, by part: what they show, and how they are drawn."""
    page: str = "speed.md"
    """Of this folder, on which they stand."""

    def options(self, description: str | None) -> argparse.ArgumentParser:
        """Those that all such benchmarks have."""
        parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--parts", nargs="+", choices=self.parts, default=list(self.parts))
        parser.add_argument("--again", action="store_true", help="measure what is asked for even where it is there")
        parser.add_argument("--quick", action="store_true", help="small and short, kept in a file of its own")
        parser.add_argument(
            "--results", type=Path, help=f"file to resume and extend (default: results/{self.name}.json)"
        )
        parser.add_argument("--print", action="store_true", help="print the tables of the results that are there")
        parser.add_argument("--publish", action="store_true", help="put tables and pictures into its page as well")
        return parser

    def run(
        self,
        arguments: argparse.Namespace,
        lacking: Callable[[str, list[Row], argparse.Namespace], Iterator[Row]],
        asked: Callable[[Row], bool] = lambda row: True,
    ) -> None:
        """Measure what is asked for and is not there yet; print the tables.

        ``lacking(part, rows, arguments)`` measures what a part lacks beside the rows that are there; each is kept as it
        comes. ``asked``: whether a row is among those that ``--again`` puts aside.
        """
        name = f"{self.name}{'-quick' if arguments.quick else ''}.json"
        path = arguments.results or ROOT / "research" / "results" / name
        results: Results = json.loads(path.read_text()) if path.exists() else {}
        for part in [] if arguments.print else arguments.parts:
            rows = [row for row in results.get(part, []) if not (arguments.again and asked(row))]
            machines = results.setdefault("machine", {})
            current = this_machine(part, machines.get(part) if rows else None, self.libraries)
            for row in lacking(part, list(rows), arguments):
                rows.append(row)
                results[part], machines[part] = rows, current
                write(results, path)
        text = self.tables.page(results)
        path.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
        print(text)
        if arguments.publish:
            self.publish(results, ROOT / "research")

    def publish(self, results: Results, folder: Path) -> None:
        """Draw the pictures and bring the page up to date."""
        for part in [part for part in self.pictures if results.get(part)]:
            figure = self.pictures[part][1](results[part])
            figure.savefig(folder / self._picture(part), dpi=110, metadata={"Software": None})
            plt.close(figure)
        page = folder / self.page
        page.write_text(self.filled(page.read_text(encoding="utf-8"), results), encoding="utf-8")

    def filled(self, page: str, results: Results) -> str:
        """``page`` with every part of the results between ``<!-- NAME: PART -->`` and ``<!-- end of NAME -->``."""
        return pages.filled(page, self.name, lambda part: self._block(part, results))

    def _block(self, part: str, results: Results) -> str:
        """Table, then picture."""
        text = self.tables.part(part, results)
        if part not in self.pictures or text == pages.NOT_RUN:
            return text
        return f"{text}\n\n![{self.pictures[part][0]}]({self._picture(part)})"

    def _picture(self, part: str) -> str:
        return f"images/{self.name}-{part}.png"


def this_machine(part: str, earlier: dict[str, Any] | None, libraries: Sequence[str]) -> dict[str, Any]:
    """What this machine is, and how busy; refuses to go on with a part that was measured on another one."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    current: dict[str, Any] = {
        "processor": machine.processor(),
        "cores": machine.cores(),
        "versions": versions(libraries),
    }
    known = {name: value for name, value in (earlier or current).items() if name in current}
    if known != current:
        raise SystemExit(
            f"Part {part} was measured on {known}, this machine is {current}: name another file (--results), or "
            f"measure all of the part anew (--parts {part} --again)."
        )
    if load > BUSY:
        print(f"This machine is busy (load average {load:.1f}): times will be too long, and their ratios unsteady.")
    return {**current, "load_before": round(load, 2)}


def versions(libraries: Sequence[str]) -> dict[str, str]:
    """Of those that are installed."""
    installed = {}
    for name in libraries:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed


def write(results: Results, path: Path) -> None:
    """Whole or not at all, so that a run can be stopped at any moment."""
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(results, indent=1) + "\n")
    os.replace(draft, path)
