"""Files that are written whole or not at all, in folders that one run at a time writes into.

Until it is complete, a file or a folder of results has a hidden name that says which process writes it. What a process
that ended left behind under such a name is removed by the next run in that folder.
"""

from __future__ import annotations

import errno
import os
import platform
import re
import shutil
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import psutil
from filelock import FileLock, Timeout

from stradiff.errors import StorageError

LOCK = ".stradiff.lock"
UNFINISHED = re.compile(r"\..{0,40}-([0-9a-f]{8}-\d+-\d+)-[0-9a-f]{8}(\.[^.]*)?")
FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside ``path`` with its suffix, renamed to ``path`` at the end of the block.

    When the block raises, the temporary file is removed and an existing ``path`` stays unchanged. A link is replaced;
    the file it points to is not.

    Raises
    ------
    StorageError
        The file cannot be written, or the block has written nothing.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_path(Path(folder) / "notes.txt") as temporary:
    ...         _ = temporary.write_text("done")
    ...     (Path(folder) / "notes.txt").read_text()
    'done'
    """
    path = check_output_path(path)
    temporary = _unfinished(path)
    try:
        with _refused(path, temporary):
            yield temporary
            with temporary.open("rb+") as written:
                os.fsync(written.fileno())  # so that a power cut cannot leave the new name without content
            temporary.replace(path)
            _sync(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def together(folder: Path, last: str) -> Iterator[Path]:
    """A temporary folder whose files are moved into ``folder`` at the end of the block, ``last`` after all others.

    When the block raises, nothing in ``folder`` has changed. A folder that is gone is made again.

    Raises
    ------
    StorageError
        The folder cannot be written into.
    """
    staging = _unfinished(folder / "results")
    try:
        with _refused(folder, staging):
            folder.mkdir(parents=True, exist_ok=True)
            staging.mkdir()
        yield staging
        for written in sorted(staging.iterdir(), key=lambda file: (file.name == last, file.name)):
            with _refused(folder / written.name, written):
                written.replace(folder / written.name)
        with _refused(folder):
            _sync(folder)
    except StorageError as error:
        raise StorageError(str(error).replace(str(staging), str(folder))) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Around a run that writes into ``folder``; :class:`StorageError` where another run does. The lock ends with it.

    A file system without locks gives a warning.
    """
    path = folder / LOCK
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise StorageError(
            f"Another run is writing into {folder}; wait until it ends, or choose another output folder."
        ) from None
    except OSError as error:
        raise _storage_error(path, error) from error
    except NotImplementedError:  # filelock's, of such a file system
        warnings.warn(f"{folder} cannot be locked; let no other run write into it meanwhile.", stacklevel=3)
    try:
        remove_orphans(folder)
        yield
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)  # while it is held: who waits for the old file finds it is none any more
        lock.release()


def remove_orphans(folder: Path) -> None:
    """Remove what processes that ended left unfinished in a folder."""
    with suppress(OSError):  # a folder that cannot be listed, or is none, is noticed by what is written into it
        for path in list(folder.iterdir()):
            match = UNFINISHED.fullmatch(path.name)
            if match and not _is_alive(match[1]):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def check_output_path(path: str | os.PathLike[str]) -> Path:
    """The path of an output file; :class:`StorageError` if its folder does not exist, or it is a folder."""
    path = Path(path)
    if "\0" in str(path):
        raise StorageError(f"{str(path)!r} cannot be written: no path has a NUL in it; choose another path.")
    if not path.parent.is_dir() or path.is_dir():
        reason = f"{path} is a folder" if path.is_dir() else f"the folder {path.parent} does not exist"
        raise StorageError(f"{path.name or path} cannot be written: {reason}; choose another path.")
    return path


def check_writable_folder(path: str | os.PathLike[str]) -> Path:
    """The folder, created if necessary and tested by writing; :class:`StorageError` if that fails."""
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise StorageError(f"{folder} is a file, not a folder; choose another output folder.")
    probe = _unfinished(folder / "probe")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        reason = error.strerror or "the operating system refuses"
        raise StorageError(f"Nothing can be written into {folder}: {reason}; choose another folder.") from error
    return folder


def check_room(folder: Path, n_bytes: float | int, subject: str) -> None:
    """:class:`StorageError`, with both numbers, where a disk has less room than is needed."""
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise StorageError(
            f"{subject} needs about {in_units(n_bytes)} of disk in {folder}, where {in_units(free)} are free; "
            "make room, or choose another folder."
        )


def in_units(n_bytes: float | int) -> str:
    """A number of bytes, as in "1.2 GB"."""
    for unit in ("bytes", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} GB"


def _unfinished(path: Path) -> Path:
    """The name of a file until it is complete: that of its owner is in it."""
    return path.with_name(f".{path.stem[:40]}-{_owner(os.getpid())}-{uuid4().hex[:8]}{path.suffix}")


def _owner(pid: int) -> str:
    """A process on this machine, and no later one of the same number."""
    return f"{_machine()}-{pid}-{int(psutil.Process(pid).create_time())}"


def _machine() -> str:
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _is_alive(owner: str) -> bool:
    """Whether a process runs; one of another machine, of which nothing can be known, is taken to."""
    machine, pid, _ = owner.split("-")
    try:
        return machine != _machine() or _owner(int(pid)) == owner
    except psutil.AccessDenied:
        return True
    except (psutil.NoSuchProcess, OverflowError, ValueError):
        return False


def _sync(folder: Path) -> None:
    """Make new names in a folder outlast a power cut, where the system lets a folder be opened."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows
        return
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def _refused(path: Path, *others: Path) -> Iterator[None]:
    """Around writing a path: what the system refuses, about it or ``others``, is a :class:`StorageError`."""
    try:
        yield
    except OSError as error:
        # An unreadable input of the block is not a failed output.
        if error.filename is not None and Path(os.fsdecode(error.filename)) not in (path, path.parent, *others):
            raise
        raise _storage_error(path, error) from error


def _storage_error(path: Path, error: OSError) -> StorageError:
    reason = error.strerror or "the operating system refuses"
    advice = "make room" if error.errno in FULL else "choose another path"
    return StorageError(f"{path} cannot be written: {reason}; {advice}.")
