"""Checkpoints of training in a file, from which a killed fit goes on to the same bits."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stradiff import serialization
from stradiff.config import Checkpoint, Configuration, flat_parameters
from stradiff.data.writers import check_output_path
from stradiff.errors import StorageError
from stradiff.train.minibatch_step import State

KIND = "stradiff checkpoint 2"


class CheckpointContents(NamedTuple):
    """The state of training, and what has been recorded of it."""

    state: State
    history: dict[str, np.ndarray]
    paths: dict[int, np.ndarray]


@dataclasses.dataclass
class CheckpointFile:
    """A file for one fit, written at most every ``seconds``; restarts have files of their own beside it."""

    path: Path
    seconds: float

    def __post_init__(self) -> None:
        self._last = time.monotonic()

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> CheckpointFile:
        """The file that is asked for; :class:`StorageError` where it cannot be written."""
        return cls(check_output_path(checkpoint.path), checkpoint.seconds)

    def of_restart(self, number: int) -> CheckpointFile:
        """The file of a restart; the first has the plain name."""
        return self.beside(str(number)) if number else self

    def beside(self, name: str) -> CheckpointFile:
        """A file with ``name`` behind its own, for another fit."""
        return CheckpointFile(check_output_path(self.path.with_name(f"{self.path.name}.{name}")), self.seconds)

    def remove(self) -> None:
        """Delete the files of all restarts."""
        number = 0
        while (path := self.of_restart(number).path).exists():
            path.unlink()
            number += 1

    @property
    def due(self) -> bool:
        """Whether the last file is old enough."""
        return time.monotonic() - self._last >= self.seconds

    def write(self, contents: CheckpointContents, task: str, settings: Configuration) -> None:
        """Replace the file, whole or not at all; ``task`` says what is fitted (``digest_of``), ``settings`` how."""
        tree = contents._asdict() | {"paths": {str(epoch): path for epoch, path in contents.paths.items()}}
        header = {"task": task, "settings": _shown(settings), "paths": {e: p.shape for e, p in contents.paths.items()}}
        serialization.write(self.path, KIND, header, serialization.arrays_of(tree))
        self._last = time.monotonic()

    def read(self, like: CheckpointContents, task: str, settings: Configuration) -> CheckpointContents | None:
        """What the file holds of ``task``, in the structure of ``like``; None where there is no file.

        :class:`StorageError` for a file that is no checkpoint, is damaged, or belongs to another fit.
        """
        if not self.path.exists():
            return None
        header, arrays = serialization.read(self.path, KIND, "a checkpoint")
        if header["task"] != task:
            raise StorageError(
                f"The checkpoint {self.path} {_difference(header['settings'], settings)}; delete it to start anew, or "
                "give the recording and the settings it was written with."
            )
        n_epochs = int(arrays.get("['state'].epoch", np.zeros(())))
        history = {name: np.zeros((n_epochs, *rows.shape[1:])) for name, rows in like.history.items()}
        paths = {epoch: np.zeros(shape, np.float32) for epoch, shape in header["paths"].items()}
        try:
            tree: Any = serialization.filled({"state": like.state, "history": history, "paths": paths}, arrays)
        except StorageError as error:
            raise StorageError(f"{self.path} is damaged ({error}); delete it to start anew.") from error
        return CheckpointContents(
            tree["state"], tree["history"], {int(epoch): path for epoch, path in tree["paths"].items()}
        )


def digest_of(*parts: Any) -> str:
    """SHA-256 of all that decides a result: arrays of numbers by their bytes, all else as printed."""
    total = hashlib.sha256()
    for part in parts:
        total.update(b"|")
        if isinstance(part, np.ndarray) and not part.dtype.hasobject:  # the bytes of objects are where they stand
            total.update(f"{part.dtype}{part.shape}".encode())
            total.update(np.ascontiguousarray(part).tobytes())
        else:
            total.update(repr(part).encode())
    return total.hexdigest()


def _shown(settings: Configuration) -> dict[str, str]:
    return {name: repr(value) for name, value in flat_parameters(settings).items()}


def _difference(written: dict[str, str], settings: Configuration) -> str:
    """The settings of a checkpoint that differ from those of this fit, as a part of a sentence."""
    now = _shown(settings)
    others = [f"{name}={value} (now {now[name]})" for name, value in written.items() if now.get(name, value) != value]
    if others:
        return f"was written with {', '.join(others)}"
    return "belongs to another recording, another random_state or another start"
