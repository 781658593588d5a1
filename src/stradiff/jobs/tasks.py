"""One computation among many: what it is, how it is run wherever it arrives, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable


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


ADVICE = "perhaps for want of memory; use fewer workers or a larger machine."
KILLED = f"The worker process was killed twice, {ADVICE}"

Call = tuple[str, Task, Path]  # name of a task, the task, and the path of its result
Result = tuple[str, str | None, float]  # name of a task, its error and its seconds


def run_task(name: str, task: Task, path: Path) -> Result:
    """Run a task in whatever process this is."""
    start, failure = time.perf_counter(), None
    try:
        task.run(path)
    except Exception as error:  # of any kind: the others go on, and a user reads it in the outcome
        failure = as_sentence(error)
    return name, failure, time.perf_counter() - start


class NewResults:
    """Names of tasks whose result has come since; where a message about it is lost, it need not be computed again."""

    def __init__(self, calls: Mapping[str, Call]) -> None:
        self._paths = {name: path for name, _, path in calls.values()}
        self._before = {name: _state(path) for name, path in self._paths.items()}

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _state(self._paths[name]) not in (None, self._before[name])


def _state(path: Path) -> tuple[int, int] | None:
    """What differs between two files that were written to one path; None where there is none."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns


Compute = Callable[[dict[str, Call]], Iterator[Result]]


def with_second_tries(calls: dict[str, Call], compute: Compute) -> Iterator[Result]:
    """Of all calls, as they are finished; those whose worker was killed run again at the end, each alone."""
    new, killed = NewResults(calls), []

    def results(of: dict[str, Call]) -> Iterator[Result]:
        for name, error, seconds in compute(of):
            yield name, None if error == KILLED and name in new else error, seconds

    for result in results(calls):
        if result[1] == KILLED:
            killed.append(result[0])
        else:
            yield result
    for name in killed:
        yield from results({name: calls[name]})


def as_sentence(error: BaseException) -> str:
    """A failure on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
