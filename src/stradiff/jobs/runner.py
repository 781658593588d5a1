"""The same work on many items: results are written as they come, failures stop nobody, a second call goes on.

Locally items follow one another, or go to worker processes of one thread each, whose bits do not depend on how many
there are; with the address of a dask scheduler they go to a cluster.
What was done is told by ``done.json`` in the folder of the results. An item counts as done while its result is there
and the work on it would be the same.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from stradiff.data.writers import atomic_path, check_writable_folder
from stradiff.errors import OptionError, StorageError

MANIFEST = "done.json"
# One thread for each worker, XLA's pool (NPROC) among them: the other cores have workers of their own.
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")}


@dataclass(frozen=True)
class Outcome:
    """What became of one item."""

    name: str
    path: Path
    """Where its result is, or would be."""
    error: str | None
    """What went wrong, in a sentence; None where all went well."""
    seconds: float
    """Of work; 0 where the result was there already."""
    fresh: bool
    """Whether it was worked on in this call."""


@runtime_checkable
class Item(Protocol):
    """One piece of work, as it travels to a worker."""

    @property
    def task(self) -> str:
        """A digest of all that decides the result."""

    def work(self, path: Path) -> None:
        """Write the result to ``path``, whole or not at all."""


def work_through(
    items: Mapping[str, Item],
    places: Mapping[str, Path],
    folder: Path,
    *,
    n_jobs: int = 1,
    scheduler: str | None = None,
    verbose: bool | str = "auto",
) -> list[Outcome]:
    """Every item worked on, or found done, in the order given.

    Ctrl-C ends it: what was finished stays, and the next call goes on.
    """
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs < 1:
        raise OptionError(f"n_jobs={n_jobs!r} must be a whole number of at least 1.")
    manifest = _Manifest(folder / MANIFEST)
    outcomes = {name: manifest.found(name, item.task, places[name]) for name, item in items.items()}
    pending = {name: item for name, item in items.items() if outcomes[name] is None}
    if has_workers(pending, n_jobs, scheduler):
        _distributed()  # refused before anything is made
    check_writable_folder(folder)
    shown = sys.stderr.isatty() if verbose == "auto" else bool(verbose)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as progress:
        bar = progress.add_task("separating", total=len(items), completed=len(items) - len(pending))
        for name, error, seconds in _worked(pending, places, n_jobs, scheduler, manifest.withdraw):
            outcomes[name] = Outcome(name, places[name], error, seconds, fresh=True)
            manifest.add(name, items[name].task, error, seconds)
            progress.advance(bar)
    return [outcome for outcome in outcomes.values() if outcome is not None]


class _Manifest:
    """What was done, by name; written anew after every item."""

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

    def found(self, name: str, task: str, place: Path) -> Outcome | None:
        """The outcome of an item that is done; failures are tried again."""
        entry = self._entries.get(name, {})
        if entry.get("task") != task or entry.get("error") is not None or not place.exists():
            return None
        return Outcome(name, place, None, 0.0, fresh=False)

    def withdraw(self, *names: str) -> None:
        """Forget items before work on them begins: a new result must not pass for that of an old task."""
        known = [name for name in names if name in self._entries]
        for name in known:
            del self._entries[name]
        if known:
            self._write()

    def add(self, name: str, task: str, error: str | None, seconds: float) -> None:
        self._entries[name] = {"task": task, "error": error, "seconds": round(seconds, 3)}
        self._write()

    def _write(self) -> None:
        with atomic_path(self._path) as temporary:
            temporary.write_text(json.dumps(self._entries, indent=1) + "\n", encoding="utf-8")


def attempt(item: Item, path: Path) -> tuple[str | None, float]:
    """Work on an item wherever this runs: what went wrong, and the seconds it took."""
    began = time.perf_counter()
    try:
        item.work(path)
    except Exception as error:  # whatever it is, the others go on; a user reads it in the outcome
        return f"{type(error).__name__}: {' '.join(str(error).split())}", time.perf_counter() - began
    return None, time.perf_counter() - began


def has_workers(items: Mapping[str, Item], n_jobs: int, scheduler: str | None) -> bool:
    """Whether others than this process work on the items."""
    return bool(items) and (scheduler is not None or n_jobs > 1)


def _worked(
    items: Mapping[str, Item],
    places: Mapping[str, Path],
    n_jobs: int,
    scheduler: str | None,
    begins: Callable[..., None],
) -> Iterator[tuple[str, str | None, float]]:
    """Name, error and seconds of every item, as they are finished; ``begins`` is told the names before."""
    if not has_workers(items, n_jobs, scheduler):
        for name, item in items.items():
            begins(name)
            yield name, *attempt(item, places[name])
        return
    distributed = _distributed()
    with ExitStack() as stack:
        if scheduler is None:
            stack.enter_context(_one_thread())
            workers = {"n_workers": min(n_jobs, len(items)), "threads_per_worker": 1, "processes": True}
            cluster = stack.enter_context(distributed.LocalCluster(**workers, dashboard_address=None))
            client = stack.enter_context(distributed.Client(cluster))
        else:
            client = stack.enter_context(_client(distributed, scheduler))
        begins(*items)
        futures = {
            client.submit(attempt, item, places[name].resolve(), pure=False): name for name, item in items.items()
        }
        for future in distributed.as_completed(futures):
            failure = future.exception()
            error, seconds = (f"{type(failure).__name__}: {failure}", 0.0) if failure else future.result()
            yield futures[future], error, seconds


@contextmanager
def _one_thread() -> Iterator[None]:
    """Workers get the environment of this process, which for dask counts more than what it is told."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ |= THREADS
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _client(distributed: Any, scheduler: str) -> Any:
    try:
        return distributed.Client(scheduler, timeout=10)
    except (OSError, ValueError, TimeoutError) as error:
        raise OptionError(f"scheduler={scheduler!r} does not answer; give the address of a dask scheduler.") from error


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise OptionError(
            'Several workers need dask; install "stradiff[cluster]", or use n_jobs=1 without a scheduler.'
        ) from error
    return distributed
