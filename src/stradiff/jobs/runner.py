"""Many tasks of one kind: results are written as they come, failures stop no other, a second call goes on.

Tasks follow one another in this process, or run in worker processes of one thread each, whose bits do not depend on
their number; with the address of a dask scheduler they run on its cluster.
``done.json`` in the folder of the results lists the finished tasks. A task counts as done while its result exists and
its digest is the same.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from joblib import Parallel, delayed, parallel_config
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from stradiff.errors import OptionError, StorageError
from stradiff.files import atomic_path, check_writable_folder

MANIFEST = "done.json"
# One thread for each worker, XLA's pool (NPROC) among them: the other cores have workers of their own.
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")}
KILLED = "The worker process was killed twice, perhaps for want of memory; use fewer workers or a larger machine."

Result = tuple[str, str | None, float]  # name of a task, its error and its seconds


@dataclass(frozen=True)
class Outcome:
    """The outcome of one task."""

    name: str
    path: Path
    """Of the result, also where there is none."""
    error: str | None
    """The failure, in a sentence; None where there is none."""
    seconds: float
    """Of computation; 0 where the result existed already."""
    fresh: bool
    """Whether it was computed in this call."""


@runtime_checkable
class Task(Protocol):
    """One computation, as it travels to a worker."""

    @property
    def digest(self) -> str:
        """Of all that decides the result."""

    def run(self, path: Path) -> None:
        """Write the result to ``path``, whole or not at all."""


def run_tasks(
    tasks: Mapping[str, Task],
    paths: Mapping[str, Path],
    folder: Path,
    *,
    n_jobs: int = 1,
    scheduler: str | None = None,
    verbose: bool | str = "auto",
) -> list[Outcome]:
    """The outcomes of all tasks, computed now or found done, in the order given.

    Ctrl-C ends the call: finished results stay, and the next call goes on.
    """
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs < 1:
        raise OptionError(f"n_jobs={n_jobs!r} must be a whole number of at least 1.")
    manifest = _Manifest(folder / MANIFEST)
    outcomes = {name: manifest.done(name, task.digest, paths[name]) for name, task in tasks.items()}
    pending = {name: task for name, task in tasks.items() if outcomes[name] is None}
    if scheduler is not None and pending:
        _distributed()  # refused before anything is made
    check_writable_folder(folder)
    shown = sys.stderr.isatty() if verbose == "auto" else bool(verbose)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
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


def run_task(name: str, task: Task, path: Path) -> Result:
    """Run a task in whatever process this is."""
    start, failure = time.perf_counter(), None
    try:
        task.run(path)
    except Exception as error:  # of any kind: the others go on, and a user reads it in the outcome
        failure = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return name, failure, time.perf_counter() - start


def _results(
    tasks: Mapping[str, Task], paths: Mapping[str, Path], n_jobs: int, scheduler: str | None, manifest: _Manifest
) -> Generator[Result, None, None]:
    """Of every task, as they are finished; each is withdrawn from the manifest before it begins."""
    arguments = {name: (name, task, paths[name].resolve()) for name, task in tasks.items()}
    if arguments and (scheduler is not None or n_jobs > 1):
        manifest.withdraw(*tasks)
        yield from _on_cluster(arguments, scheduler) if scheduler is not None else _in_processes(arguments, n_jobs)
        return
    for name in tasks:
        manifest.withdraw(name)
        yield run_task(*arguments[name])


def _in_processes(arguments: dict[str, tuple[str, Task, Path]], n_jobs: int) -> Iterator[Result]:
    """By worker processes; where one is killed, the tasks that may have been in it run again, each alone."""
    while arguments:
        try:
            yield from _by_pool(arguments, list(arguments), n_jobs)
        except BrokenProcessPool:
            for name in list(arguments)[:n_jobs]:  # tasks begin in this order
                try:
                    yield from _by_pool(arguments, [name], n_jobs)
                except BrokenProcessPool:
                    del arguments[name]
                    yield name, KILLED, 0.0


def _by_pool(arguments: dict[str, tuple[str, Task, Path]], names: list[str], n_jobs: int) -> Iterator[Result]:
    """The named tasks by one pool of processes, and removed from ``arguments`` as they are finished."""
    n_workers = max(2, min(n_jobs, len(names)))  # with 1 joblib would compute in this process
    with parallel_config("loky", inner_max_num_threads=1, initializer=_prepare_worker, max_nbytes=None):
        pool = Parallel(n_workers, return_as="generator_unordered", batch_size=1)
    with _interrupts_blocked():
        outcomes = pool(delayed(run_task)(*arguments[name]) for name in names)
    with closing(outcomes) as results:
        for result in results:
            del arguments[result[0]]
            yield result


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Ctrl-C waits; in processes that start meanwhile it stays blocked, which would end in a traceback of each."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows, where processes inherit no mask
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare_worker() -> None:
    """One thread for XLA too, which counts when it is first used; Ctrl-C is left to the process that waits."""
    os.environ.update(THREADS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _on_cluster(arguments: dict[str, tuple[str, Task, Path]], scheduler: str) -> Iterator[Result]:
    """By the workers of a dask cluster. joblib's dask backend waits for ever for a task whose worker was killed."""
    distributed = _distributed()
    try:
        client = distributed.Client(scheduler, timeout=10)
    except (OSError, ValueError, TimeoutError) as error:
        raise OptionError(f"scheduler={scheduler!r} does not answer; give the address of a dask scheduler.") from error
    with client:
        futures = {client.submit(run_task, *each, pure=False): name for name, each in arguments.items()}
        for future in distributed.as_completed(futures):
            failure = future.exception()
            yield (futures[future], f"{type(failure).__name__}: {failure}", 0.0) if failure else future.result()


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise OptionError(
            'A scheduler needs dask; install "stradiff[cluster]", or use n_jobs without a scheduler.'
        ) from error
    return distributed
