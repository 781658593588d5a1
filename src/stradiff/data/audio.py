"""WAV: samples of audio, after a look at the chunks that the file claims to have."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.io import wavfile

from stradiff.data.contents import Contents, contents_of_array, parsing
from stradiff.data.memory import check_memory
from stradiff.errors import ReadError

_MAX_CHUNKS = 1000  # beside the samples a file has a few remarks


def read_wav(path: Path) -> Contents:
    """Audio; integers are scaled to fractions of full scale."""
    with parsing(), warnings.catch_warnings():
        warnings.simplefilter("error", wavfile.WavFileWarning)  # a truncated file
        warnings.filterwarnings("ignore", "Chunk .non-data. not understood", wavfile.WavFileWarning)
        try:
            check_memory(17 * _n_bytes(path), f"Reading {path.name}")  # 8 bits become 64, twice
            rate, samples = wavfile.read(path)
        except (ValueError, ArithmeticError, struct.error, wavfile.WavFileWarning) as error:
            raise ReadError("the audio is shorter than its header says, or damaged; copy it again.") from error
    if samples.dtype.kind in "iu":
        full_scale = 2.0 ** (8 * samples.dtype.itemsize - 1)
        zero = full_scale if samples.dtype.kind == "u" else 0.0  # 8-bit audio is unsigned, with its zero at 128
        samples = samples.astype(np.float64)
        samples -= zero
        samples /= full_scale
    return contents_of_array(samples, sampling_rate=float(rate))


def _n_bytes(path: Path) -> int:
    """Bytes of the samples; ``ValueError`` unless the chunks are few, within the file, and one of whole samples."""
    size, block, data = path.stat().st_size, 1, []
    with path.open("rb") as file:
        kind = file.read(4)
        order: Literal["big", "little"] = "big" if kind == b"RIFX" else "little"
        long, place, end = kind == b"RF64", 12, min(size, 8 + int.from_bytes(file.read(4), order))
        for _ in range(_MAX_CHUNKS):
            if place >= end:
                break
            file.seek(place)
            kind, length, head = file.read(4), int.from_bytes(file.read(4), order), file.read(16)
            if kind == b"ds64":
                long_length = int.from_bytes(head[8:], order)
            elif kind == b"fmt ":
                block = int.from_bytes(head[12:14], order)
            elif kind == b"data":
                length = long_length if long else length
                data.append(length)
            place += 8 + length
            if place > size or length < 0:
                break
            place += length % 2
    if place < end or place > size + 1 or len(data) != 1 or data[0] % block:
        raise ValueError(f"{len(data)} chunks of samples, the last chunk until byte {place:,} of {size:,}")
    return data[0]
