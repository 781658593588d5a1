"""Many tasks of one kind: results are written as they come, failures stop no other, a second call goes on.

Tasks follow one another in this process, or run in worker processes of one thread each, whose bits do not depend on
their number; with the address of a dask scheduler they run on its cluster.
``done.json`` in the folder of the results lists the finished tasks. A task counts as done while its result exists and
its digest is the same.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from stradiff.errors import StorageError
from stradiff.files import atomic_path, check_writable_folder, locked
from stradiff.jobs.cluster import Scheduler, on_cluster, required_dask
from stradiff.jobs.processes import in_processes
from stradiff.jobs.tasks import Compute, Outcome, Result, Task, run_task, with_second_tries
from stradiff.parameters import FLAG, choice, count

MANIFEST = "done.json"


def run_tasks(
    tasks: Mapping[str, Task],
    paths: Mapping[str, Path],
    folder: Path,
    *,
    n_jobs: int = 1,
    scheduler: Scheduler | None = None,
    verbose: bool | str = "auto",
) -> list[Outcome]:
    """The outcomes of all tasks, computed now or found done, in the order given.

    Ctrl-C ends the call: finished results stay, and the next call goes on.
    """
    count(1).check("n_jobs", n_jobs)
    (choice("auto") | FLAG).check("verbose", verbose)
    manifest = _Manifest(folder / MANIFEST)
    outcomes = {name: manifest.done(name, task.digest, paths[name]) for name, task in tasks.items()}
    pending = {name: task for name, task in tasks.items() if outcomes[name] is None}
    if scheduler is not None and pending:
        required_dask()  # refused before anything is made
    shown = sys.stderr.isatty() if verbose == "auto" else bool(verbose)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        locked(check_writable_folder(folder)),
        Progress(*columns, console=Console(stderr=True), disable=not shown) as progress,
        closing(_results(pending, paths, n_jobs, scheduler, manifest)) as results,
    ):
        bar = progress.add_task("separating", total=len(tasks), completed=len(tasks) - len(pending))
        for name, error, seconds in results:
            outcomes[name] = Outcome(name, paths[name], error, seconds, fresh=True)
            manifest.add(name, tasks[name].digest, error, seconds)
            progress.advance(bar)
    return [outcome for outcome in outcomes.values() if outcome is not None]


class _Manifest:
    """The finished tasks by name; written anew after every one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[str, dict[str, Any]] = {}
        if not path.exists():
            return
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            entries = None
        if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
            raise StorageError(f"{path} is no list of finished recordings; delete it to start anew.")
        self._entries = entries

    def done(self, name: str, digest: str, path: Path) -> Outcome | None:
        """The outcome of a finished task; None for a failed one, which is tried again."""
        entry = self._entries.get(name, {})
        if entry.get("task") != digest or entry.get("error") is not None or not path.exists():
            return None
        return Outcome(name, path, None, 0.0, fresh=False)

    def withdraw(self, *names: str) -> None:
        """Forget tasks before they begin: a new result must not pass for that of an old task."""
        known = [name for name in names if name in self._entries]
        for name in known:
            del self._entries[name]
        if known:
            self._write()

    def add(self, name: str, digest: str, error: str | None, seconds: float) -> None:
        self._entries[name] = {"task": digest, "error": error, "seconds": round(seconds, 3)}
        self._write()

    def _write(self) -> None:
        with atomic_path(self._path) as temporary:
            temporary.write_text(json.dumps(self._entries, indent=1) + "\n", encoding="utf-8")


def _results(
    tasks: Mapping[str, Task], paths: Mapping[str, Path], n_jobs: int, scheduler: Scheduler | None, manifest: _Manifest
) -> Generator[Result, None, None]:
    """Of every task, as they are finished; each is withdrawn from the manifest before it begins."""
    calls = {name: (name, task, paths[name].resolve()) for name, task in tasks.items()}
    if calls and (scheduler is not None or n_jobs > 1):
        manifest.withdraw(*tasks)
        compute: Compute = partial(in_processes, n_workers=n_jobs)
        if scheduler is not None:
            compute = partial(on_cluster, scheduler=scheduler)
        yield from with_second_tries(calls, compute)
        return
    for name in tasks:
        manifest.withdraw(name)
        yield run_task(*calls[name])
