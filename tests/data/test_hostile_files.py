"""A file that cannot be read is refused at once and in little memory, whatever it claims to hold."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile
from typing import NamedTuple

import numpy as np
import pytest

from stradiff import errors
from stradiff.data import memory, read_recording
from stradiff.errors import InsufficientMemoryError

SECONDS, MEGABYTES = 1.0, 200.0
BOMB = 250_000_000  # bytes of zeros, which deflate packs into 250 kB
VALUES = np.random.default_rng(0).standard_normal((50, 2))


def npy(descr: str, shape: str, body: bytes = b"") -> bytes:
    """A file with a header that claims what it likes."""
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


def saved(**arrays: object) -> bytes:
    np.savez(file := io.BytesIO(), **arrays)
    return file.getvalue()


def npz(method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    with zipfile.ZipFile(file := io.BytesIO(), "w", method, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def with_claimed_size(archive: bytes, n_bytes: int) -> bytes:
    """The size that the directory gives for the last member, changed."""
    at = archive.rindex(b"PK\1\2") + 24
    return archive[:at] + struct.pack("<I", n_bytes) + archive[at + 4 :]


def wav(*, n_channels: int = 1, block: int = 2, size: int | None = None, samples: bytes = b"\1\2" * 20, extra=b""):
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, n_channels, 8000, 16000, block, 16)
    data = b"data" + struct.pack("<I", len(samples) if size is None else size) + samples
    body = b"WAVE" + form + extra + data
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


GOOD = npy("<f8", "(50, 2)", VALUES.tobytes())
ZEROS = bytes(BOMB)
FILES = {
    "strings of no length.npy": lambda: npy("<U0", "(300000000, 2)", bytes(449)),
    "strings.npy": lambda: npy("<U5", "(300000000, 2)", bytes(449)),
    "numbers of no length.npy": lambda: npy("|V0", "(300000000, 2)"),
    "more than follows.npy": lambda: npy("<f8", "(300000000, 2)", bytes(449)),
    "less than follows.npy": lambda: npy("<f8", "(5, 2)", VALUES.tobytes()),
    "negative.npy": lambda: npy("<f8", "(-50, -2)", VALUES.tobytes()),
    "many digits.npy": lambda: npy("<f8", f"({'9' * 5000},)", bytes(449)),
    "many brackets.npy": lambda: npy("<f8", "(" * 3000 + ")" * 3000),
    "long header.npy": lambda: b"\x93NUMPY\x02\x00" + struct.pack("<I", 9_000_000) + b" " * 9_000_000,
    "names.npz": lambda: npz(values=GOOD, channel_names=npy("<U50", f"({BOMB // 200},)", ZEROS)),
    "nothing but zeros.npz": lambda: npz(values=ZEROS),
    "zeros.npz": lambda: npz(values=npy("<f8", f"({BOMB // 16}, 2)", ZEROS)),
    "truth.npz": lambda: npz(values=npy("|b1", f"({BOMB // 2}, 2)", ZEROS)),
    "header.npz": lambda: npz(values=b"\x93NUMPY\x02\x00" + struct.pack("<I", BOMB) + b" " * BOMB),
    "other packing.npz": lambda: npz(zipfile.ZIP_BZIP2, values=npy("<f8", "(25000, 2)", bytes(400_000))),
    "large dictionary.npz": lambda: with_claimed_size(npz(zipfile.ZIP_LZMA, values=GOOD), 0).replace(
        b"]\0\0\x80\0", b"]\xff\xff\xff\xff"
    ),
    "claims.npz": lambda: with_claimed_size(npz(values=npy("<f8", "(200000000, 2)", bytes(9000))), 3_200_000_072),
    "stored claims.npz": lambda: with_claimed_size(npz(zipfile.ZIP_STORED, values=GOOD), 3_200_000_000),
    "many members.npz": lambda: npz(zipfile.ZIP_STORED, **{f"{k:x}": b"" for k in range(80_000)}),
    "long names.npz": lambda: npz(**{"v" * 20_000: GOOD, "\x1b[31m" * 4_000: GOOD}),
    "surrogate.npz": lambda: saved(values=VALUES, channel_names=np.array(["a\ud800", "b"])),
    "surrogate unit.npz": lambda: saved(values=VALUES, units="m\udfff"),
    "two of a name.npz": lambda: npz(aaaaaa=GOOD, values=GOOD).replace(b"aaaaaa", b"values"),
    "claims.wav": lambda: wav(size=2**32 - 10),
    "many chunks.wav": lambda: wav(extra=(b"abcd" + bytes(4)) * 1_000_000),
    "no channel.wav": lambda: wav(n_channels=0),
    "no block.wav": lambda: wav(block=0),
    "half a sample.wav": lambda: wav(samples=b"\1\2" * 20 + b"\1"),
    "two recordings.wav": lambda: wav(extra=b"data" + struct.pack("<I", 4) + b"\1\2\3\4"),
    "one line.csv": lambda: b"1," * 5_000_000,
    "one line later.csv": lambda: b"1,2\n" * 60 + b"1," * 5_000_000,
    "commas.csv": lambda: (b"," * 1000 + b"\n") * 3000,
    "blank.csv": lambda: b"\n" * 10_000_000,
    "comments.csv": lambda: b"#\n" * 5_000_000,
    "open quote.csv": lambda: b'a,b\n1,2\n"' + b"1,2\n" * 2_000_000,
    "quotes.csv": lambda: b'"' * 10_000_000,
    "text.csv": lambda: b"a,b\n1,2\n" + b"x,x\n" * 500_000,
    "digits.csv": lambda: b"1" * 900_000 + b"x\n1\n2\n",
    "wide.csv": lambda: b"\n".join([b",".join(b"n%d" % k for k in range(10_000)), *[b"1," * 9999 + b"1"] * 200]),
    "ten thousand of a name.csv": lambda: b"\n".join([b"n," * 9999 + b"n", *[b"1," * 9999 + b"1"] * 200]),
    "zeros.csv": lambda: bytes(10_000_000),
}

# A process for each file, so that each has its own time and largest memory; what all of them share is taken off.
MEASURE = """
import json, os, sys
from pathlib import Path
from stradiff.data import read_recording

def measured(task):
    out, into = os.pipe()
    if not (child := os.fork()):
        try:
            answer = ["nothing", f"read: {task()}"]
        except Exception as error:
            answer = [type(error).__name__, str(error)[:9000]]
        os.write(into, json.dumps(answer).encode())
        os._exit(0)
    os.close(into)
    with open(out) as file:
        answer = json.load(file)
    used = os.wait4(child, 0)[2]
    return [*answer, used.ru_utime + used.ru_stime, used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)]

shared = measured(lambda: None)[-1]
for name in sys.argv[1:]:
    *answer, megabytes = measured(lambda: read_recording(Path(name)))
    print(json.dumps([Path(name).name, *answer, megabytes - shared]), flush=True)
"""


class Refusal(NamedTuple):
    kind: str
    message: str
    seconds: float
    megabytes: float


@pytest.fixture(scope="module")
def refusals(tmp_path_factory) -> dict[str, Refusal]:
    folder = tmp_path_factory.mktemp("hostile")
    for name, content in FILES.items():
        (folder / name).write_bytes(content())
        assert (folder / name).stat().st_size <= 12_000_000
    command = [sys.executable, "-c", MEASURE, *(str(folder / name) for name in FILES)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in FILES:
        (folder / name).unlink()
    return {name: Refusal(*refusal) for name, *refusal in map(json.loads, lines)}


@pytest.mark.parametrize("name", FILES)
def test_refused_at_once_in_one_sentence(refusals, name):
    kind, message, seconds, megabytes = refusals[name]
    assert issubclass(getattr(errors, kind), errors.StrADiffError), message
    assert seconds < SECONDS
    assert megabytes < MEGABYTES
    assert name in message and message.isprintable() and len(message.partition(name)[2]) < 300


def test_what_is_not_asked_for_is_not_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "x.npz"
    path.write_bytes(npz(values=GOOD, other=ZEROS[: BOMB // 10]))
    monkeypatch.setattr(memory, "available_memory", lambda: BOMB // 20)
    np.testing.assert_array_equal(read_recording(path).values, VALUES)


def test_what_truly_needs_memory_is_read_where_there_is_enough(tmp_path, monkeypatch):
    path = tmp_path / "x.npz"
    values = np.zeros((500_000, 2))
    values[::50_000] = np.arange(20.0).reshape(10, 2) ** 2
    np.savez_compressed(path, values=values)
    assert path.stat().st_size < values.nbytes / 500
    np.testing.assert_array_equal(read_recording(path).values, values)
    monkeypatch.setattr(memory, "available_memory", lambda: values.nbytes)
    with pytest.raises(InsufficientMemoryError, match=r"Reading x\.npz needs"):
        read_recording(path)
