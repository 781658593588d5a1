"""Checkpoints of training in a file, from which a killed fit goes on to the same bits.

The file stays when training is over: until its results are in place, it is all that is left of a killed process.
"""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stradiff import serialization
from stradiff.config import Checkpoint, Configuration, flat_parameters
from stradiff.errors import StorageError
from stradiff.files import check_output_path
from stradiff.train.minibatch_step import State

KIND = "stradiff checkpoint 2"
NUMBER_IN_TEXT = 20  # bytes of a number in a table; in a file of numbers it has 8 or 4
REPORT = 2e6  # bytes of the page


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

    @property
    def due(self) -> bool:
        """Whether the last file is old enough."""
        return time.monotonic() - self._last >= self.seconds

    def write(self, contents: CheckpointContents, task: str, settings: Configuration) -> None:
        """Replace the file, whole or not at all; ``task`` says what is fitted (``digest_of``), ``settings`` how."""
        self._last = time.monotonic()
        tree = contents._asdict() | {"paths": {str(epoch): path for epoch, path in contents.paths.items()}}
        header = {"task": task, "settings": _shown(settings), "paths": {e: p.shape for e, p in contents.paths.items()}}
        serialization.write(self.path, KIND, header, serialization.arrays_of(tree))

    def read(self, like: CheckpointContents, task: str, settings: Configuration) -> CheckpointContents | None:
        """What the file holds of ``task``, in the structure of ``like``; None where there is no file.

        :class:`StorageError` for a file that is no checkpoint, is damaged, or belongs to another fit.
        """
        if not self.path.exists():
            return None
        header, arrays = serialization.read(self.path, KIND, "a checkpoint")
        try:
            written = str(header["task"]), {str(name): str(value) for name, value in header["settings"].items()}
            contents = _contents(header["paths"], arrays, like) if written[0] == task else None
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            reason = f"{error.args[0] if error.args else type(error).__name__}"[:120]
            raise StorageError(
                f"{self.path} holds what is no checkpoint ({reason}); delete it to start anew."
            ) from error
        if contents is None:
            raise StorageError(
                f"The checkpoint {self.path} {_difference(written[1], settings)}; delete it to start anew, or give the "
                "recording and the settings it was written with."
            )
        return contents


def _contents(shapes: dict[str, Any], arrays: serialization.Arrays, like: CheckpointContents) -> CheckpointContents:
    """The arrays of a file in the structure of ``like``; an error says what does not belong there."""
    n_epochs = int(arrays["['state'].epoch"])
    single, double = np.float32(), np.float64()
    tree: Any = {
        "state": like.state,
        "history": {name: np.broadcast_to(double, (n_epochs, *rows.shape[1:])) for name, rows in like.history.items()},
        "paths": {str(int(epoch)): np.broadcast_to(single, shape) for epoch, shape in shapes.items()},
    }
    tree = serialization.filled(tree, arrays)
    if wrong := serialization.not_finite(arrays):
        raise StorageError(f"{wrong} is not finite")
    return CheckpointContents(
        tree["state"], tree["history"], {int(epoch): path for epoch, path in tree["paths"].items()}
    )


def disk_estimate(n_samples: int, n_channels: int, settings: Configuration) -> float:
    """Bytes of a checkpoint and, beside it, of the next one or of the results, to a factor of about two."""
    n_sources, network = settings.n_sources, settings.network(n_samples)
    n_networks = 1 if settings.diffusion.shared else n_sources
    n_parameters: float = settings.mixing.n_parameters(n_channels) + 2 * n_samples * n_sources
    n_parameters += n_networks * network.n_parameters(n_samples) if network else 0
    n_terms = settings.training.max_epochs * (8 + n_sources)
    paths = 3 * 4 * (settings.diffusion.n_steps + 1) * n_samples * n_sources
    tables = NUMBER_IN_TEXT * (n_samples * (n_channels + 6 * n_sources + 3) + n_terms)
    checkpoint = 3 * 4 * n_parameters + 8 * n_terms + paths
    return checkpoint + max(checkpoint, 4 * n_parameters + 8 * n_terms + paths + tables + REPORT)


def checkpoints_at(path: Path) -> list[Path]:
    """The files of a checkpoint: its restarts and the linear fit of ``mixing="auto"`` have their own."""
    return sorted(path.parent.glob(f"{glob.escape(path.name)}*"))


def remove_checkpoints(path: Path) -> None:
    """Remove the files of a checkpoint, once the results are in place."""
    for file in reversed(checkpoints_at(path)):  # the plain name last: alone, another is in the way of the next fit
        file.unlink(missing_ok=True)


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
    others = [
        f"{name}={_printable(value)} (now {now[name]})"
        for name, value in written.items()
        if now.get(name, value) != value
    ]
    if others:
        return f"was written with {', '.join(others)}"
    return "belongs to another recording, another random_state or another start"


def _printable(text: str) -> str:
    """Text of a file as a part of a sentence."""
    return text.encode("ascii", "backslashreplace").decode()[:100]
