"""Checkpoints of training in a file, from which a killed fit goes on to the same bits."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialise

from stradiff.config import Settings
from stradiff.data.writers import atomic_path, check_place
from stradiff.errors import OptionError, StorageError
from stradiff.train.minibatch_step import State

FORMAT = "stradiff checkpoint 1"


class CheckpointContents(NamedTuple):
    """The state of training, and what has been recorded of it."""

    state: State
    history: dict[str, np.ndarray]
    paths: dict[int, np.ndarray]


@dataclasses.dataclass
class Checkpoint:
    """A file for one fit, written at most every ``seconds``; restarts have files of their own beside it."""

    path: Path
    seconds: float

    def __post_init__(self) -> None:
        self._last = time.monotonic()

    def of_restart(self, number: int) -> Checkpoint:
        """The file of a restart; the first has the plain name."""
        return self.beside(str(number)) if number else self

    def beside(self, name: str) -> Checkpoint:
        """A file with ``name`` appended to its own, for another fit."""
        return Checkpoint(check_place(self.path.with_name(f"{self.path.name}.{name}")), self.seconds)

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

    def write(self, contents: CheckpointContents, digest: str, settings: Settings) -> None:
        """Replace the file, whole or not at all; ``digest`` identifies the fit (``digest_of``)."""
        arrays = {f"state.{index}": leaf for index, leaf in enumerate(_plain_leaves(contents.state))}
        arrays |= {f"history.{name}": rows for name, rows in contents.history.items()}
        arrays |= {f"path.{epoch}": path for epoch, path in contents.paths.items()}
        header = {"format": FORMAT, "task": digest, "settings": json.dumps(_shown(settings))}
        contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
        with atomic_path(self.path) as temporary:
            temporary.write_bytes(serialise(contiguous, metadata=header))
        self._last = time.monotonic()

    def read(self, like: State, digest: str, settings: Settings) -> CheckpointContents | None:
        """The contents of the file, in the structure of ``like``; None where there is no file.

        :class:`StorageError` for a file that is no checkpoint, or that of another recording or other settings.
        """
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="numpy") as file:
                header = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no iteration over it)
        except (SafetensorError, OSError, ValueError) as error:
            raise StorageError(f"{self.path} is no checkpoint, or it is damaged; delete it to start anew.") from error
        if header.get("format") != FORMAT:
            raise StorageError(f"{self.path} is no checkpoint that this version reads; delete it, or name another.")
        if header.get("task") != digest:
            raise StorageError(
                f"The checkpoint {self.path} {_difference(json.loads(header.get('settings', '{}')), settings)}; "
                "delete it to start anew, or give the recording and the settings it was written with."
            )
        history = {name.removeprefix("history."): a for name, a in arrays.items() if name.startswith("history.")}
        paths = {int(name.removeprefix("path.")): a for name, a in arrays.items() if name.startswith("path.")}
        leaves = [arrays[f"state.{index}"] for index in range(len(jax.tree.leaves(like)))]
        return CheckpointContents(_filled(like, leaves), history, paths)


def check_checkpoint(path: Any, seconds: Any, random_state: Any) -> Checkpoint | None:
    """The checkpoint of a user's options.

    :class:`OptionError` for a wrong path or time, and where ``random_state`` gives no seed to go on with.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < float("inf"):
        raise OptionError(f"checkpoint_seconds={seconds!r} must be a finite number, 0 or above.")
    if path is None:
        return None
    if not isinstance(path, str | Path) or not Path(path).name:
        raise OptionError(f"checkpoint={path!r} must be the path of a file, or None.")
    if isinstance(random_state, bool) or not isinstance(random_state, int | np.integer):
        raise OptionError(
            f"checkpoint={str(path)!r} needs a number for random_state (now {random_state!r}): "
            "with another seed next time, training could not go on."
        )
    return Checkpoint(check_place(path), float(seconds))


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


def _shown(settings: Settings) -> dict[str, str]:
    return {field.name: repr(getattr(settings, field.name)) for field in dataclasses.fields(settings)}


def _difference(written: dict[str, str], settings: Settings) -> str:
    """The settings of a checkpoint that differ from those of this fit, as a part of a sentence."""
    now = _shown(settings)
    others = [f"{name}={value} (now {now[name]})" for name, value in written.items() if now.get(name, value) != value]
    if others:
        return f"was written with {', '.join(others)}"
    return "belongs to another recording, another random_state or another start"


def _plain_leaves(state: State) -> list[np.ndarray]:
    """The numbers of a state, those of random keys among them."""
    return [np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf) for leaf in jax.tree.leaves(state)]


def _filled(like: State, leaves: list[np.ndarray]) -> State:
    whole = [
        jax.random.wrap_key_data(jnp.asarray(new), impl=jax.random.key_impl(old)) if _is_key(old) else jnp.asarray(new)
        for old, new in zip(jax.tree.leaves(like), leaves, strict=True)
    ]
    return jax.tree.unflatten(jax.tree.structure(like), whole)


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
