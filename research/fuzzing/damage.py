"""How a good file is damaged: its bytes, and the fields of its format. All from one ``random.Random``."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from collections.abc import Callable, Sequence
from random import Random

import numpy as np

from stradiff import serialization

Damage = Callable[[Random, bytes], bytes]

NUMBERS = [
    "0",
    "1",
    "-1",
    "2",
    "3",
    "50",
    "255",
    "65536",
    "4294967295",
    "9223372036854775808",
    "1e400",
    "1e-400",
    "-0.0",
]
NUMBERS += [
    "1_000",
    "0x10",
    "1d5",
    "+-1",
    "nan",
    "inf",
    "\u0663",
    "\xa01",
    "1.5.2",
    "5e-324",
    "9" * 400,
    "1e",
    ".",
    "1,5",
]
CELLS = [
    *NUMBERS,
    "",
    " ",
    "\t",
    '"',
    '""',
    '"1\n2"',
    "\0",
    "\ufeff",
    "\r",
    "\n",
    "\r\n",
    "time",
    "t",
    "=1+1",
    "#",
    "'",
    "-",
]
CELLS += ["12:00:00", "2020-01-01", "31.12.2020", "2020-13-45", "9999-12-31", "0001-01-01", "x" * 300, ";", ",", "True"]
CELLS += ["-2:00:00", "99999999:00:00", "2020-01-01T00:00:00+99:00", "1.1.2020 25:00", "name", "Null", "e5", "\ud7ff"]
INTEGERS = [0, 1, 2, 3, 7, 8, 16, 24, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1]


def bytes_of(random: Random, content: bytes) -> bytes:
    """One to four changes anywhere: flipped bits, other bytes, pieces lost, doubled or moved, the end cut off."""
    damaged = bytearray(content)
    for _ in range(random.randint(1, 4)):
        place = random.randrange(len(damaged) + 1)
        if random.random() < 0.3:
            place = min(place, 130)  # where headers are
        end = min(len(damaged), place + random.choice([1, 1, 1, 2, 4, 8, 50, 1000]))
        piece = bytes(damaged[place:end])
        match random.randrange(7):
            case 0 if piece:
                damaged[place] ^= 1 << random.randrange(8)
            case 1 if piece:
                damaged[place] = random.choice([0, 1, 9, 10, 13, 32, 34, 44, 45, 48, 127, 128, 160, 255])
            case 2:
                del damaged[place:end]
            case 3:
                damaged[place:place] = piece
            case 4:
                damaged[place:end] = random.randbytes(len(piece))
            case 5:
                there = random.randrange(len(damaged) + 1)
                damaged[there : there + len(piece)] = piece
            case 6 if random.random() < 0.3:
                del damaged[place:]
    return bytes(damaged)


def text(random: Random, content: bytes) -> bytes:
    """Cells, delimiters, lines and line ends of a table exchanged, doubled or left out; sometimes another code."""
    parts = re.split(r"([,;\t\r\n])", content.decode("utf-8", "replace"))
    for _ in range(random.choice([1, 1, 2, 3, 8])):
        place = random.randrange(len(parts))
        match random.randrange(5):
            case 0 | 1:
                parts[place] = random.choice(CELLS)
            case 2:
                parts[place] += random.choice(CELLS)
            case 3:
                parts[place:place] = parts[place : place + random.choice([1, 2, 9, 200])]
            case 4:
                del parts[place : place + random.choice([1, 2, 5])]
        parts = parts or [""]
    if random.random() < 0.1:
        old, new = random.sample([",", ";", "\t", "\n", "\r\n", "\r", ".", " ", '"'], 2)
        parts = [part.replace(old, new) for part in parts]
    code = random.choice(["utf-8"] * 8 + ["utf-8-sig", "utf-16", "latin-1", "utf-16-le"])
    return "".join(parts).encode(code, "replace")


def npy(random: Random, content: bytes) -> bytes:
    """Fields of the header: type, order, shape, and the length and version of the header itself."""
    end = content.index(b"\n") + 1
    descr = random.choice(
        ["<f8", "<f8", "<f4", ">i2", "|u1", "|b1", "<c16", "<U3", "|S0", "|V0", "|O", "<M8[s]", "<f2", "<f16"]
    )
    shape = random.choice(
        ["(20, 2)", "(20,)", "()", "(2, 20)", "(0, 2)", "(20, 0)", "(-20, -2)", "(20, 2.0)", "(True, 2)"]
    )
    if random.random() < 0.5:
        shape = f"({random.choice(INTEGERS)}, {random.choice(NUMBERS)})"
    order = random.choice(["False", "True", "0", "None", "'C'"])
    fields = {"descr": repr(descr), "fortran_order": order, "shape": shape}
    if random.random() < 0.2:
        fields[random.choice([*fields, "other"])] = random.choice([*CELLS, "[('a', '<f8')]", "[[[[", "{}", "'<f8'"])
    header = "{" + ", ".join(f"'{name}': {value}" for name, value in fields.items()) + "}"
    header += " " * random.choice([0, 1, 30, 20000]) + "\n"
    version = random.choice([1, 1, 1, 2, 3, 0, 255])
    length = len(header.encode()) + random.choice([0, 0, 0, 1, -1, 40000])
    size = struct.pack("<I", max(0, length)) if version > 1 else struct.pack("<H", max(0, length) % 65536)
    return b"\x93NUMPY" + bytes([version, 0]) + size + header.encode("utf-8", "replace") + content[end:]


def _member(random: Random, array: bytes) -> bytes:
    choices = [b"", array, npy(random, array), bytes_of(random, array), bytes(100_000)]
    if random.random() < 0.6:
        values = [
            "a",
            ["a", "b"],
            [["a"], ["b"]],
            2.0,
            -1,
            np.nan,
            np.arange(20.0),
            np.arange(20) // 2,
            "s" * 300,
            [1, 2],
        ]
        values += [np.array(["\ud800", "b"]), np.array(["=1", "\n"]), b"x", True, 1j, [], ["", " "], np.zeros((0, 3))]
        np.save(file := io.BytesIO(), random.choice(values))
        choices = [file.getvalue()]
    return random.choice(choices)


def npz(random: Random, content: bytes) -> bytes:
    """Other members, and fields of the local headers, the directory and its end."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    array = members[0][1]
    names = ["values", "times", "sampling_rate", "channel_names", "units", "data", "Y", "other", " ", "../x", "é" * 99]
    for _ in range(random.randint(0, 3)):
        one = (random.choice(names) + random.choice([".npy", ".npy", ""]), _member(random, array))
        place = random.randrange(len(members) + 1)
        members[place : place + random.randint(0, 1)] = [one]
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        for name, member in members:
            if name not in archive.namelist():
                archive.writestr(name, member, random.choice([0, 0, 8, 8, 12, 14]))
    damaged = bytearray(file.getvalue())
    for _ in range(random.choice([0, 0, 1, 2])):
        marks = [found.start() for found in re.finditer(b"PK[\1\3\5]", damaged)] or [0]
        place = random.choice(marks) + random.randrange(4, 46)
        if place + 4 <= len(damaged):
            damaged[place : place + 4] = struct.pack("<I", random.choice(INTEGERS))
    return bytes(damaged)


def wav(random: Random, content: bytes) -> bytes:
    """Fields of the format, sizes of the chunks, and other chunks."""
    form = [
        random.choice([1, 3, 0xFFFE, 2, 7]),
        random.choice([1, 2, 3, 0, 255, 65535]),
        *random.choices(INTEGERS, k=2),
    ]
    form += [random.choice([1, 2, 3, 4, 8, 16, 0, 65535]), random.choice([8, 12, 16, 24, 32, 64, 0, 65535])]
    samples = content[44:]
    chunks = [b"fmt " + struct.pack("<IHHIIHH", random.choice([16, 16, 16, 18, 40, 0]), *form)]
    if random.random() < 0.5:
        chunks = [content[12:36]]
    chunks.append(b"data" + struct.pack("<I", random.choice([len(samples)] * 3 + INTEGERS)) + samples)
    for _ in range(random.choice([0, 0, 1, 3])):
        kind = random.choice([b"LIST", b"JUNK", b"fact", b"abcd", b"data", b"fmt ", b"ds64", b"\0\0\0\0"])
        piece = random.randbytes(random.choice([0, 1, 4, 28]))
        size = random.choice([len(piece)] * 3 + INTEGERS)
        chunks.insert(random.randrange(len(chunks) + 1), kind + struct.pack("<I", size) + piece)
    body = b"WAVE" + b"".join(chunks)
    head = random.choice([b"RIFF"] * 6 + [b"RIFX", b"RF64", b"riff"])
    return head + struct.pack("<I", random.choice([len(body)] * 4 + INTEGERS)) + body


def _plain_value(random: Random) -> object:
    values = [None, True, 0, -1, 2, 1e308, "", "rbf", "auto", [], {}, [1, 2], {"name": "mlp"}, "x" * 300, [[]], 10**30]
    return random.choice([*values, "\ud800", [{}], {"a": None}, 10**9, 2**62, 0.5, "linear", "float32", {"name": 3}])


def _changed(random: Random, value: object, depth: int = 0) -> object:
    """Plain data with one value exchanged, left out or added, somewhere."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        name = random.choice(list(value))
        match random.randrange(10):
            case 0:
                return {key: item for key, item in value.items() if key != name}
            case 1:
                return value | {random.choice(["x", "name", "", *value]): _plain_value(random)}
        return value | {name: _changed(random, value[name], depth + 1)}
    if isinstance(value, list) and value and random.random() < 0.8:
        place = random.randrange(len(value))
        return [*value[:place], _changed(random, value[place], depth + 1), *value[place + random.randint(0, 1) :]]
    if isinstance(value, int) and not isinstance(value, bool) and random.random() < 0.5:
        return value + random.choice([-1, 1, 10, 10**6])
    return _plain_value(random)


def _changed_array(random: Random, array: np.ndarray) -> np.ndarray:
    match random.randrange(5):
        case 0:
            return array.astype(random.choice([np.float32, np.float64, np.int64, np.bool_, np.uint8]))
        case 1:
            return array.reshape(random.choice([(-1,), (1, *array.shape), array.shape[::-1]]))
        case 2:
            return np.concatenate([array.reshape(-1)] * random.randint(1, 3))
        case 3:
            return np.full_like(array, random.choice([0, 1, 100]))
    filled = array.copy()
    if filled.size:
        filled.reshape(-1)[random.randrange(filled.size)] = random.choice(
            [0, 1, -1 if array.dtype.kind in "if" else 1, 100]
        )
    return filled


def safetensors(random: Random, content: bytes) -> bytes:
    """Header and arrays changed, and the digest made right again; or fields of the outer header changed."""
    length = int.from_bytes(content[:8], "little")
    outer = json.loads(content[8 : 8 + length])
    if random.random() < 0.3:
        text = json.dumps(_changed(random, outer)).encode()
        size = random.choice([len(text)] * 4 + INTEGERS)
        return struct.pack("<Q", size) + text + content[8 + length :]
    header, arrays = json.loads(outer.pop("__metadata__")["stradiff"]), {}
    for name, one in outer.items():
        begin, end = one["data_offsets"]
        dtype = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "U32": "<u4", "BOOL": "?"}[one["dtype"]]
        piece = content[8 + length + begin : 8 + length + end]
        arrays[name] = np.frombuffer(piece, dtype).reshape(one["shape"])
    header.pop("digest")
    for _ in range(random.randint(1, 3)):
        if random.random() < 0.6:
            changed = _changed(random, header)
            header = changed if isinstance(changed, dict) else header
        else:
            name = random.choice(list(arrays))
            arrays[name] = _changed_array(random, arrays[name])
    header["digest"] = serialization._digest(header, arrays)
    return serialization.serialise(arrays, metadata={"stradiff": json.dumps(header)})


def toml(random: Random, content: bytes) -> bytes:
    """Values of a configuration exchanged; lines doubled, left out or moved to another table."""
    lines = content.decode().split("\n")
    values = [
        "1",
        "-1",
        "0",
        "1e400",
        "nan",
        "inf",
        "true",
        '""',
        '"auto"',
        '"linear"',
        "[]",
        "{}",
        '[["a"]]',
        "9" * 400,
    ]
    values += [
        '{name = "mlp"}',
        '{name = "rbf", length_scale = -1}',
        "2020-01-01",
        "'''x",
        '"\\ud800"',
        "0x10",
        "9" * 5000,
    ]
    values += [
        "[" * 2000,
        '{name = ["x"]}',
        '{name = "mlp", name = 1}',
        '"x\\u0000"',
        "[1, 2, 3]",
        '[{name = "rbf"}]',
        "12:00:00",
    ]
    for _ in range(random.randint(1, 3)):
        place = random.randrange(len(lines))
        match random.randrange(5):
            case 0 | 1 | 2:
                lines[place] = f"{lines[place].partition('=')[0].strip() or 'x'} = {random.choice(values)}"
            case 3:
                lines.insert(random.randrange(len(lines)), lines[place])
            case 4:
                del lines[place : place + 2]
        lines = lines or [""]
    return "\n".join(lines).encode("utf-8", "replace")


def damaged(random: Random, seeds: Sequence[bytes], damage: Damage) -> bytes:
    """A file made of a good one, its structure damaged, its bytes, or both; sometimes with the end of another."""
    content = random.choice(seeds)
    if random.random() < 0.7:
        content = damage(random, content)
    if random.random() < 0.4:
        content = bytes_of(random, content)
    if random.random() < 0.05:
        other = random.choice(seeds)
        content = content[: random.randrange(len(content) + 1)] + other[random.randrange(len(other)) :]
    return content
