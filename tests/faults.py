"""A disk that refuses its n-th operation, and a process that is killed at it: everything that changes a file counts."""

from __future__ import annotations

import builtins
import errno
import gc
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from unittest import mock

from stradiff import files

NAMES = ("mkdir", "replace", "rename", "fsync", "unlink", "rmdir")
DEAD = "999999999-1"  # a process of a number that there is not


class Killed(BaseException):
    """The process is dead: nothing catches it, and no operation after it does anything."""


class Faults:
    """Counts operations; the one of number ``at`` fails, in a killed process all later ones as well.

    A disk that is full has room for no later write, open or mkdir either, but still removes files.
    """

    def __init__(self, at: int, *, kill: bool) -> None:
        self.at, self.kill, self.count = at, kill, 0

    def __call__(self, removes: bool) -> None:
        """Before an operation."""
        self.count += 1
        if self.count >= self.at and self.kill:
            raise Killed
        if self.count >= self.at and not removes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @property
    def happened(self) -> bool:
        """Whether there were so many operations."""
        return self.count >= self.at


class _File:
    """An open file whose first two writes are counted: without content, and with a part of it; later ones are alike."""

    def __init__(self, file: io.IOBase, faults: Faults) -> None:
        self._file, self._faults, self._writes = file, faults, 0

    def write(self, data: object) -> object:
        self._writes += 1
        if self._writes <= 2 or self._faults.happened:
            self._faults(False)
        return self._file.write(data)

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[object]:
        return iter(self._file)


@contextmanager
def faulty(at: int, *, kill: bool) -> Iterator[Faults]:
    """Within, the operation of number ``at``, counted from 1, fails; a killed process raises no error outside."""
    faults, plain_open, low_open = Faults(at, kill=kill), io.open, os.open

    def opened(file, mode="r", *args, **kwargs):
        if not set(mode) & set("wxa+"):
            return plain_open(file, mode, *args, **kwargs)
        faults(False)
        return _File(plain_open(file, mode, *args, **kwargs), faults)

    def opened_low(path, flags, *args, **kwargs):
        if flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
            faults(False)
        return low_open(path, flags, *args, **kwargs)

    def counted(name):
        plain = getattr(os, name)

        def operation(*args, **kwargs):
            faults(name in ("unlink", "rmdir"))
            return plain(*args, **kwargs)

        return operation

    machine = files._machine()
    with mock.patch.multiple(os, open=opened_low, **{name: counted(name) for name in NAMES}):
        patches = mock.patch.object(builtins, "open", opened), mock.patch.object(io, "open", opened)
        owner = mock.patch.object(files, "_owner", lambda pid: f"{machine}-{DEAD}")
        with suppress(Killed), patches[0], patches[1], owner:
            yield faults
    if kill:
        gc.collect(0)  # as the system does with the files and the locks of a dead process
