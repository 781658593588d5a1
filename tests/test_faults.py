"""After any failure of the disk, and any kill, every file is old or new, and a second run ends at the same bits."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import typer
from faults import faulty
from quick_runs import RESULTS, configuration, write_page

from stradiff import StrADiff, fit_many, pipeline, read_recording
from stradiff.cli import app, main
from stradiff.cli.configuration import configured, read_configuration
from stradiff.errors import StorageError
from stradiff.serialization import read as read_checkpoint
from stradiff.serialization import write as write_checkpoint
from stradiff.train.checkpoint import CheckpointFile

pytestmark = pytest.mark.filterwarnings("ignore", "ignore::pytest.PytestUnraisableExceptionWarning")

CHECKPOINT = "training.checkpoint"
FITS: dict[tuple[int, bytes], list[pipeline.Result]] = {}
MODES = pytest.mark.parametrize("kill", [False, True], ids=["full disk", "killed"])


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Files are what is tested: no pictures, no clock, and a fit that was trained once is trained no more."""

    def separate(recordings, request):
        key = (request.seed, recordings.values.tobytes())
        if request.checkpoint:
            file = CheckpointFile.of(request.checkpoint).path
            if not file.exists():
                write_checkpoint(file, "kind", {"seed": request.seed}, {})
            assert read_checkpoint(file, "kind", "a checkpoint")[0]["seed"] == request.seed
        if key not in FITS:
            FITS[key] = pipeline.separate(recordings, dataclasses.replace(request, checkpoint=None))
        return FITS[key]

    monkeypatch.setattr("stradiff.report.write_report", write_page)
    monkeypatch.setattr("stradiff.estimator.separate", separate)
    monkeypatch.setattr(app, "app", typer.main.get_command(app.app))  # built once
    monkeypatch.setattr("os.fsync", lambda file: None)  # no power is cut here
    monkeypatch.setattr("time.perf_counter", lambda: 0.0)  # the seconds of a fit are among its results


def content(folder: Path) -> dict[str, bytes]:
    """Bytes of every visible file below a folder, but for its name, which stands in a summary."""
    place = re.compile(re.escape(str(folder.parent)).encode() + rb"/(old|new|out)\b")
    files = (path for path in folder.rglob("[!.]*") if path.is_file() and not path.parent.name.startswith("."))
    return {str(path.relative_to(folder)): place.sub(b"", path.read_bytes()) for path in files}


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recording")
    assert main(["simulate", "linear", "--samples", "150", "--out", str(folder), "-q"]) == 0
    (folder / "configuration.toml").write_text(configuration(max_epochs=2))
    return folder


def separate(recording: Path, out: Path, seed: int, *more: str) -> int:
    table, options = recording / "recording.csv", recording / "configuration.toml"
    return main(["separate", str(table), "--config", str(options), "--seed", str(seed), "--out", str(out), "-q", *more])


@MODES
def test_separate(recording, tmp_path, kill):
    assert separate(recording, tmp_path / "old", 1) == separate(recording, tmp_path / "new", 2) == 0
    old, new = content(tmp_path / "old"), content(tmp_path / "new")
    assert old.keys() == new.keys() == RESULTS and all(old[name] != new[name] for name in RESULTS - {"summary.json"})
    at, out, kept = 0, tmp_path / "out", 0
    while at := at + 1:
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(tmp_path / "old", out)
        with faulty(at, kill=kill) as faults:
            code = separate(recording, out, 2)
        if not faults.happened:
            break
        now = content(out)
        checkpoint = now.pop(CHECKPOINT, None)
        assert now.keys() == RESULTS, "nothing that was there before is removed"
        assert all(now[name] in (old[name], new[name]) for name in RESULTS), f"half a file at operation {at}"
        assert now in (old, new) or checkpoint, f"neither old nor new at operation {at}, and no checkpoint"
        assert now["summary.json"] == old["summary.json"] or now == new, "the summary comes last"
        kept += checkpoint is not None
        if not kill:
            assert code == (2 if checkpoint or now != new else 0)
        assert separate(recording, out, 2, *(["--resume"] if checkpoint else [])) == 0
        assert content(out) == new, f"other bits after operation {at}"
        assert {path.name for path in out.iterdir()} == RESULTS, f"something is left of operation {at}"
    assert at > 50 and kept > 30, "the disk refused more than these"


@MODES
def test_many(recording, tmp_path, kill):
    table = read_recording(recording / "recording.csv").values
    trials = {"first": table, "second": table[::-1]}
    parameters, _ = read_configuration(recording / "configuration.toml")
    model = configured(parameters | {"random_state": 0, "verbose": False})
    fit_many(trials, model, tmp_path / "new")
    new, at, out = content(tmp_path / "new"), 0, tmp_path / "out"
    assert new.keys() == {"first.stradiff", "second.stradiff", "done.json"}
    while at := at + 1:
        shutil.rmtree(out, ignore_errors=True)
        with faulty(at, kill=kill) as faults, suppress(StorageError):
            fit_many(trials, model, out)
        if not faults.happened:
            break
        now = content(out) if out.exists() else {}
        now = {name: held for name, held in now.items() if not name.endswith(".checkpoint")}
        done = json.loads(now.pop("done.json", b"{}"))
        assert all(now[name] == new[name] for name in now), f"half a file at operation {at}"
        outcomes = fit_many(trials, model, out)
        assert [one.error for one in outcomes] == [None, None]
        finished = {name for name, entry in done.items() if entry["error"] is None}
        assert {one.name for one in outcomes if not one.fresh} == finished, "nothing is done twice"
        assert content(out) == new, f"other bits after operation {at}"
        assert {path.name for path in out.iterdir()} == new.keys(), f"something is left of operation {at}"
    assert at > 20


@MODES
def test_save(recording, tmp_path, kill):
    assert separate(recording, tmp_path / "new", 2) == 0
    model = StrADiff.load(tmp_path / "new" / "fit.stradiff")
    path, at = tmp_path / "save" / "fit.stradiff", 0
    path.parent.mkdir()
    while at := at + 1:
        path.write_bytes(b"old")
        with faulty(at, kill=kill) as faults, suppress(StorageError):
            model.save(path)
        if not faults.happened:
            break
        if path.read_bytes() != b"old":
            np.testing.assert_array_equal(StrADiff.load(path).sources_, model.sources_)
        model.save(path)
        assert [file.name for file in path.parent.iterdir()] == ["fit.stradiff"]
    assert at > 5
