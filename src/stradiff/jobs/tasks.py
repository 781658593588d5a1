"""One computation among many: what it is, how it is run wherever it arrives, and what came of it."""

from __future__ import annotations

import time
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


def as_sentence(error: BaseException) -> str:
    """A failure on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
