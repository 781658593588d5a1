"""NumPy arrays in files: what a header or a directory claims is checked before anything is allocated."""

from __future__ import annotations

import io
import math
import struct
from pathlib import Path
from typing import cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy

from stradiff.data.checks import as_float_array
from stradiff.data.contents import parsing
from stradiff.data.memory import check_memory
from stradiff.errors import ReadError, shortened

_MAX_HEADER = 2**14  # bytes; NumPy refuses such a long one as well
_MAX_DIRECTORY = 2**17  # bytes; a thousand arrays, of which a recording has five at most
_INFLATION = {ZIP_STORED: 1, ZIP_DEFLATED: 1032}  # at most; the second is two bits for 258 bytes
_MAX_SHRINKAGE, _SMALL = 100, 2**24  # no recording of more bytes than the second is packed so well
_MAX_TEXT = 2**22  # bytes of names and of single values
_END_OF_DIRECTORY = b"PK\5\6"
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_array(file: io.BufferedIOBase, size: int, subject: str, numbers: str | None = None) -> np.ndarray:
    """The array of an NPY file of ``size`` bytes, without pickled objects.

    Parameters
    ----------
    subject : str
        Of the message about a lack of memory.
    numbers : str, optional
        What the numbers are, such as ``"times"``; anything else is refused before it is read. None: may be text.

    Raises
    ------
    ReadError
        The header is damaged, or claims more or less than the file holds.
    InputError
        Not numbers.
    InsufficientMemoryError
        It does not fit into memory.
    """
    with parsing():
        head = io.BytesIO(file.read(_MAX_HEADER))
        version = npy.read_magic(head)
        if version not in _HEADERS:
            raise ReadError("the header is of a version that holds no plain numbers; save a plain array.")
        shape, _, dtype = _HEADERS[version](head)
        count, left = math.prod(shape), size - head.tell()
        if dtype.hasobject:
            raise ReadError("it holds pickled Python objects, which could run code; save plain numbers.")
        if numbers is not None:
            as_float_array(np.empty(0, dtype), subject=numbers)
        if min(shape, default=0) < 0 or count * dtype.itemsize != left or (count and not left):
            raise ReadError(
                f"its header says {shortened(shape)} values of {dtype.itemsize} bytes, but {left:,} bytes follow; copy "
                "it or save it again."
            )
        check_memory(3 * count * max(8, dtype.itemsize), subject)
        file.seek(0)
        return npy.read_array(file, allow_pickle=False)


class Archive:
    """Arrays of an NPZ file; only those that are asked for are read."""

    def __init__(self, file: io.BufferedIOBase, path: Path) -> None:
        _check_directory(file, path)
        try:
            self._zip = ZipFile(file)
        except (BadZipFile, NotImplementedError, ValueError, struct.error) as error:  # the second: several volumes
            raise ReadError("the archive is truncated or was not written by numpy.savez; save it again.") from error
        self._path = path
        self._members: dict[str, ZipInfo] = {}
        for member in self._zip.infolist():
            name = member.filename.removesuffix(".npy")
            if name in self._members:
                raise ReadError(f"the archive holds two arrays {shortened(name)}; save it again.")
            self._members[name] = member

    @property
    def names(self) -> list[str]:
        """Of the arrays."""
        return list(self._members)

    def read(self, name: str, numbers: str | None = None) -> np.ndarray:
        """One array; see :func:`read_array`. Names and other single values must be short."""
        member = self._members[name]
        inflation = _INFLATION.get(member.compress_type)
        if inflation is None:  # others take as much memory as a member asks for
            raise ReadError(f"{shortened(name)} is packed in a way that numpy.savez does not know; save it again.")
        if member.file_size > inflation * min(member.compress_size, self._path.stat().st_size):
            raise ReadError(
                f"the archive's directory claims {member.file_size:,} bytes of {shortened(name)}, more than can be in "
                "it; save it again with numpy.savez."
            )
        if member.file_size > max(_SMALL, _MAX_SHRINKAGE * member.compress_size):
            raise ReadError(
                f"{shortened(name)} unpacks to more than {_MAX_SHRINKAGE} times its size, as no recording does; if it "
                "is one, save it with numpy.savez, unpacked."
            )
        if numbers is None and member.file_size > _MAX_TEXT:
            raise ReadError(f"{shortened(name)} takes {member.file_size:,} bytes; save short names and single values.")
        with parsing(), self._zip.open(member) as file:
            array = cast(io.BufferedIOBase, file)
            return read_array(array, member.file_size, f"Reading {self._path.name}", numbers)


def _check_directory(file: io.BufferedIOBase, path: Path) -> None:
    """Refuse a directory of more members than a recording has: listing them takes time and memory."""
    file.seek(-min(path.stat().st_size, 2**16 + 22), 2)
    end = file.read()
    at = end.rfind(_END_OF_DIRECTORY)
    record = end[at + 12 : at + 16]
    if at < 0 or len(record) < 4:
        raise ReadError("the archive is truncated or was not written by numpy.savez; save it again.")
    if int.from_bytes(record, "little") > _MAX_DIRECTORY:
        raise ReadError("the archive's directory lists too many arrays; save only what belongs to the recording.")
