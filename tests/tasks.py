"""Tasks for worker processes, in a module that a worker imports at once."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from stradiff.errors import InputError
from stradiff.jobs.processes import THREADS


@dataclass(frozen=True)
class Note:
    """A task that writes a text, and the process that ran it."""

    text: str

    @property
    def digest(self) -> str:
        return self.text

    def run(self, path: Path) -> None:
        if self.text == "bad":
            raise InputError("This one\ncannot be.")
        path.write_text(f"{self.text} {os.getpid()}")


@dataclass(frozen=True)
class Deadly(Note):
    """A task that kills its worker the first time."""

    def run(self, path: Path) -> None:
        marker = path.with_suffix(".tried")
        if not marker.exists():
            marker.write_text("")
            os.kill(os.getpid(), signal.SIGKILL)
        super().run(path)


@dataclass(frozen=True)
class Lethal(Note):
    """A task that kills its worker every time."""

    def run(self, path: Path) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Threads(Note):
    """A task that writes how many threads the libraries of its process may use."""

    def run(self, path: Path) -> None:
        path.write_text(" ".join(os.environ.get(name, "all") for name in THREADS))


@dataclass(frozen=True)
class Counted(Note):
    """A task that takes its time and counts how often it ran; where its text says so, its worker is killed once."""

    def run(self, path: Path) -> None:
        with path.with_suffix(".runs").open("a") as runs:
            runs.write("x")
        time.sleep(0.5)
        if self.text == "killed" and path.with_suffix(".runs").stat().st_size == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        path.write_text(self.text)


@dataclass(frozen=True)
class Mute(Counted):
    """A task whose worker is killed between its result and the message about it."""

    def run(self, path: Path) -> None:
        super().run(path)
        os.kill(os.getpid(), signal.SIGKILL)


def nothing():
    raise InputError("There is nothing in it.")


class Unreadable(Note):
    """A task that no worker can read."""

    def __reduce__(self):
        return nothing, ()
