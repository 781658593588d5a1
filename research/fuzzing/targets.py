"""What is fuzzed: for every kind of file good ones, how they are damaged, and what reads them."""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np

from fuzzing import damage
from stradiff.data import read_recording

VALUES = np.random.default_rng(0).standard_normal((20, 2))
OPTIONS: list[dict[str, Any]] = [
    {},
    {},
    {"missing": "mask"},
    {"time_column": False},
    {"time_column": 0},
    {"columns": [0]},
]
OPTIONS += [{"columns": ["a"]}, {"sampling_rate": 2.0}]


class Target(NamedTuple):
    """A kind of file."""

    suffix: str
    good: Callable[[], Sequence[bytes]]
    damage: damage.Damage
    reader: Callable[[], Callable[[Path, Random], Any]]
    """Makes the function that reads a file"""
    share: float
    """Of the time"""


def _recording() -> Callable[[Path, Random], Any]:
    def read(path: Path, random: Random) -> None:
        recording = read_recording(path, **random.choice(OPTIONS))
        values = recording.values if recording.missing == "refuse" else recording.filled
        assert np.isfinite(values).all() and values.shape == (recording.n_samples, len(recording.channel_names))
        assert recording.n_samples < 2 or (np.diff(recording.time_axis) > 0).all()

    return read


def _tables() -> list[bytes]:
    numbers = "".join(f"{row[0]:.3f},{row[1]:.3f}\n" for row in VALUES)
    texts = ["time,a,b\n0,1,2\n1,2,1\n2,5,5\n3,1,4\n", "a;b\n1,5;2\n2,0;1\n5,5;5\n", f"a,b\n{numbers}", numbers]
    texts += [
        "# device\n,a,b\n0,1,2\n1,2,1\n2,5,5\n",
        '"a","b"\n"1","2"\n"2","1"\n"5","5"\n',
        "a,b,label\n1,2,x\n2,1,y\n3,3,x\n",
    ]
    texts += ["date;a;b\n31.12.2020 13:00:01,5;1;2\n31.12.2020 13:00:02,5;2;1\n31.12.2020 13:00:03,5;5;5\n"]
    texts += [
        "t,a\n2020-01-01 00:00:00.5,1\n2020-01-01 00:00:01.5,2\n2020-01-01 00:00:03,5\n",
        "time,a\n0:00:01,1\n0:00:02,2\n0:00:03,5\n",
    ]
    return [text.encode() for text in texts]


def _tab_tables() -> list[bytes]:
    return [table.replace(b"," if b";" not in table else b";", b"\t") for table in _tables()]


def _written(*writers: Callable[[io.BytesIO], Any]) -> Callable[[], list[bytes]]:
    def good() -> list[bytes]:
        contents = []
        for write in writers:
            write(file := io.BytesIO())
            contents.append(file.getvalue())
        return contents

    return good


def _arrays() -> list[bytes]:
    arrays = (
        VALUES,
        VALUES.astype(np.float32),
        VALUES[:, 0],
        np.asfortranarray(VALUES),
        (VALUES * 99).astype(np.int16),
    )
    return _written(*(lambda file, array=array: np.save(file, array) for array in arrays))()


def _archives() -> list[bytes]:
    company = {"sampling_rate": 2.0, "channel_names": ["a", "b"], "units": "mV"}
    return _written(
        lambda file: np.savez(file, values=VALUES, **company),
        lambda file: np.savez_compressed(file, values=VALUES, times=np.arange(20.0) ** 2),
        lambda file: np.savez(file, other=VALUES),
    )()


def _sounds() -> list[bytes]:
    from scipy.io import wavfile

    types = (np.int16, np.uint8, np.float32, np.int32)
    return _written(*(lambda file, t=t: wavfile.write(file, 100, (VALUES * 20).astype(t)) for t in types))()


def _estimator(**more: Any) -> Any:
    from stradiff import Diffusion, StrADiff, Training

    small = {"diffusion": Diffusion(n_steps=2, network="none"), "training": Training(max_epochs=2)}
    return StrADiff(2, verbose=False, random_state=0, **{"prior": "rbf", **small, **more})


def _mixed() -> np.ndarray:
    time = np.arange(60.0)
    sources = np.stack([np.sin(0.3 * time), np.sign(np.sin(0.11 * time + 1))], axis=1)
    return sources @ np.array([[1.0, 0.5], [0.2, -1.0]])


def _fitted(**more: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _estimator(**more).fit(_mixed())


def _fits() -> list[bytes]:
    contents = []
    with tempfile.TemporaryDirectory() as folder:
        for more in ({}, {"mixing": "post_nonlinear", "normalise": "standardise"}):
            _fitted(**more).save(Path(folder) / "fit")
            contents.append((Path(folder) / "fit").read_bytes())
    return contents


def _fit() -> Callable[[Path, Random], Any]:
    from stradiff import StrADiff

    return lambda path, random: StrADiff.load(path)


def _checkpoint() -> tuple[bytes, Any]:
    """A checkpoint, and what its fit asks for."""
    from stradiff import Checkpoint
    from stradiff.train.checkpoint import CheckpointFile

    with tempfile.TemporaryDirectory() as folder:
        kept, write = [], CheckpointFile.write

        def keep(file: CheckpointFile, *asked: Any) -> None:
            write(file, *asked)
            kept[:] = [(file.path.read_bytes(), asked)]

        CheckpointFile.write = keep  # type: ignore[method-assign]
        try:
            _fitted(checkpoint=Checkpoint(str(Path(folder) / "training"), seconds=0.0))
        finally:
            CheckpointFile.write = write  # type: ignore[method-assign]
    return kept[0]


def _resumed() -> Callable[[Path, Random], Any]:
    from stradiff.train.checkpoint import CheckpointFile

    asked = _checkpoint()[1]
    return lambda path, random: CheckpointFile(path, 60.0).read(*asked)


def _configurations() -> list[bytes]:
    from stradiff.cli.configuration import write_configuration

    lines = ["n_components = 2", 'mixing = "mlp"', 'prior = ["rbf", "ar"]', "training__max_epochs = 5"]
    contents = ["\n".join([*lines, "[recording]", 'columns = ["a"]', ""]).encode()]
    with tempfile.TemporaryDirectory() as folder:
        write_configuration(_fitted(), {"sampling_rate": 2.0}, Path(folder) / "x.toml")
        contents.append((Path(folder) / "x.toml").read_bytes())
    return contents


def _configured() -> Callable[[Path, Random], Any]:
    from stradiff.cli.configuration import configured, read_configuration

    return lambda path, random: configured(read_configuration(path)[0])


TARGETS = {
    "csv": Target(".csv", _tables, damage.text, _recording, 4),
    "tsv": Target(".tsv", _tab_tables, damage.text, _recording, 2),
    "npy": Target(".npy", _arrays, damage.npy, _recording, 3),
    "npz": Target(".npz", _archives, damage.npz, _recording, 2),
    "wav": Target(".wav", _sounds, damage.wav, _recording, 3),
    "fit": Target(".stradiff", _fits, damage.safetensors, _fit, 4),
    "checkpoint": Target("", lambda: [_checkpoint()[0]], damage.safetensors, _resumed, 1),
    "configuration": Target(".toml", _configurations, damage.toml, _configured, 2),
}
