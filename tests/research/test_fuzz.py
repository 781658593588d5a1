"""The fuzzer calls a failure what is one, makes the same inputs again, and finds nothing in a short run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import fuzz
import pytest
from fuzzing.damage import bytes_of
from fuzzing.targets import TARGETS

from stradiff.errors import InsufficientMemoryError, ReadError

RECORDINGS = ("csv", "tsv", "npy", "npz", "wav")


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (ReadError("a short sentence."), "refused"),
        (InsufficientMemoryError("too large."), "refused"),
        (ReadError("a name " + "x" * 900), "message"),
        (ReadError("a name \x1b[31m."), "message"),
        (MemoryError(), "out of memory"),
        (KeyError("values"), "KeyError"),
        (RecursionError(), "RecursionError"),
    ],
)
def test_a_failure_is_what_is_no_sentence_of_ours(tmp_path, error, what):
    def read(path, random):
        raise error

    assert fuzz.problem("csv", read, tmp_path, fuzz.randomness(0, "csv", 0)).startswith(what)


def test_memory_that_ran_out_on_the_way_is_a_failure(tmp_path):
    def read(path, random):
        raise InsufficientMemoryError("not enough.") from MemoryError()

    assert fuzz.problem("csv", read, tmp_path, fuzz.randomness(0, "csv", 0)) == "out of memory"


@pytest.mark.parametrize("kind", RECORDINGS)
def test_recordings(tmp_path, kind):
    target = TARGETS[kind]
    good, read, path = target.good(), target.reader(), tmp_path / f"x{target.suffix}"
    found, inputs = set(), set()
    for number in range(200):
        content = fuzz.content_of(kind, 1, number)
        path.write_bytes(content)
        inputs.add(content)
        found.add(fuzz.problem(kind, read, path, fuzz.randomness(1, kind, number)))
    assert found == {"read", "refused"}
    assert len(inputs) > 150 and not inputs <= set(good)
    assert fuzz.content_of(kind, 1, 7) == fuzz.content_of(kind, 1, 7) != fuzz.content_of(kind, 2, 7)


def test_damaged_bytes_are_others():
    content = bytes(range(200))
    others = {bytes_of(fuzz.randomness(0, "x", number), content) for number in range(50)}
    assert len(others - {content}) > 40


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the limit of memory is set from what Linux says")
def test_a_run_goes_on_where_the_last_ended(tmp_path):
    command = [
        sys.executable,
        fuzz.__file__,
        "--kinds",
        "wav",
        "--seconds",
        "2",
        "--results",
        str(tmp_path / "fuzz.json"),
    ]
    command += ["--failures", str(tmp_path / "failures")]
    inputs = []
    for _ in range(2):
        subprocess.run(command, check=True, capture_output=True)
        row = json.loads((tmp_path / "fuzz.json").read_text())["kinds"]["wav"]
        assert row["read"] + row["refused"] == row["inputs"] and row["failures"] == 0
        inputs.append(row["inputs"])
    assert 0 < inputs[0] < inputs[1]
    assert "| wav | " in (tmp_path / "fuzz.md").read_text() and not (tmp_path / "failures").exists()
