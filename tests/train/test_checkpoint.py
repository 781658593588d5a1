"""A fit that was stopped, or killed, goes on to the same bits; what does not belong to it is refused."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from as_users_call import as_users_call

from stradiff import StrADiff, simulate
from stradiff.errors import OptionError, StorageError
from stradiff.train import restarts
from stradiff.train.checkpoint import CheckpointFile
from stradiff.train.restarts import Rung

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SETTINGS = {"max_epochs": 450, "tol": 0.0, "random_state": 3, "verbose": False, "uncertainty": "monte-carlo"}
SETTINGS |= {"prior": "matern12"}  # quick to compile
Y = simulate("linear", n_samples=150, seed=0).recording.values

PROGRAM = """
import sys
from stradiff import StrADiff, simulate
Y = simulate("linear", n_samples=150, seed=0).recording.values
StrADiff(3, max_epochs=6000, tol=0.0, random_state=3, verbose=False, uncertainty="monte-carlo", prior="matern12",
         checkpoint=sys.argv[1], checkpoint_seconds=0.0).fit(Y)
"""


def stop_at(epoch):
    def look(report):
        if report.epoch >= epoch:
            raise KeyboardInterrupt

    return look


def same(one, other):
    assert one.n_epochs_ == other.n_epochs_
    assert one.recorded_epochs_ == other.recorded_epochs_
    for name in one.history_:
        np.testing.assert_array_equal(one.history_[name], other.history_[name])
    for epoch in one.recorded_epochs_:
        np.testing.assert_array_equal(one.reverse_path(epoch), other.reverse_path(epoch))
    np.testing.assert_array_equal(one.sources_, other.sources_)
    np.testing.assert_array_equal(one.sources_std_, other.sources_std_)


@pytest.mark.parametrize(
    ("more", "rung"),
    [({}, 1000), ({"record_epochs": (50, 330)}, 1000), ({"n_restarts": 2}, 1000), ({"n_restarts": 2}, 200)],
    ids=["plain", "epochs", "before the end of the rung", "after the rung"],
)
def test_goes_on_to_the_same_bits(tmp_path, more, rung, monkeypatch):
    monkeypatch.setattr(restarts, "RESTART_RUNG", Rung(rung, 100))
    file = tmp_path / "training"
    whole = StrADiff(3, **SETTINGS, **more).fit(Y)
    kept = {"checkpoint": file, "checkpoint_seconds": 0.0}
    stopped = StrADiff(3, **SETTINGS, **more, **kept, callbacks=(stop_at(300),)).fit(Y)
    assert stopped.interrupted_ and stopped.n_epochs_ < 450
    assert file.exists()
    seen = []
    again = StrADiff(3, **SETTINGS, **more, **kept, callbacks=(lambda report: seen.append(report.epoch),)).fit(Y)
    assert min(seen[:1]) > 300
    same(whole, again)
    if "n_restarts" in more:
        np.testing.assert_array_equal(whole.stability_, again.stability_)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("_ctrl_c_interrupts")
def test_a_second_ctrl_c_does_not_take_what_the_first_has_left(tmp_path, monkeypatch):
    file, write = tmp_path / "training", CheckpointFile.write
    monkeypatch.setattr(CheckpointFile, "write", lambda *how: (signal.raise_signal(signal.SIGINT), write(*how)))
    with pytest.raises(KeyboardInterrupt):
        StrADiff(3, **SETTINGS, checkpoint=file, callbacks=(stop_at(100),)).fit(Y)
    assert file.exists()


def test_a_settled_fit_does_not_train_on(tmp_path):
    file, settings = tmp_path / "training", SETTINGS | {"tol": 1e9, "max_epochs": 5000}
    whole = StrADiff(3, **settings).fit(Y)
    assert whole.converged_
    StrADiff(3, **settings, checkpoint=file, callbacks=(stop_at(whole.n_epochs_),)).fit(Y)
    again = StrADiff(3, **settings, checkpoint=file, callbacks=(stop_at(0),)).fit(Y)
    assert again.converged_ and not again.interrupted_
    same(whole, again)


def test_killed_at_random_moments_it_goes_on_to_the_same_bits(tmp_path):
    file, moments = tmp_path / "training", random.Random(5)
    for _ in range(3):
        before = file.stat().st_mtime_ns if file.exists() else 0
        process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", PROGRAM, str(file)])
        until = time.monotonic() + 200
        while not (file.exists() and file.stat().st_mtime_ns > before) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(moments.uniform(0.0, 0.1))
        assert process.poll() is None, "it had ended before it was killed"
        process.kill()
        process.wait()
    seen, settings = [], SETTINGS | {"max_epochs": 6000}
    again = StrADiff(3, **settings, checkpoint=file, callbacks=(lambda report: seen.append(report.epoch),)).fit(Y)
    assert 300 < seen[0] < 6000
    same(StrADiff(3, **settings).fit(Y), again)


def interrupted(file: Path, **more):
    return StrADiff(3, **SETTINGS | more, checkpoint=file, callbacks=(stop_at(100),)).fit(Y)


def test_another_recording_or_other_settings_are_refused(tmp_path):
    file = tmp_path / "training"
    interrupted(file)
    other = "training belongs to another recording, another random_state or another start; delete it"
    named = r"training was written with nu_y=0\.01 \(now 0\.02\), max_epochs=450 \(now 400\); delete it"
    changed = {"nu_y": 0.02, "max_epochs": 400}
    for values, settings, message in (
        (Y + np.eye(len(Y), 3), {}, other),
        (Y, {"random_state": 4}, other),
        (Y, changed, named),
    ):
        with pytest.raises(StorageError, match=message):
            StrADiff(3, **SETTINGS | settings, checkpoint=file).fit(values)
    assert file.exists()


def test_a_file_that_is_none_is_refused(tmp_path):
    file = tmp_path / "training"
    interrupted(file)
    for content in (b"", b"no checkpoint", file.read_bytes()[:-9]):
        file.write_bytes(content)
        with pytest.raises(StorageError, match="damaged"):
            StrADiff(3, **SETTINGS, checkpoint=file).fit(Y)


def test_a_saved_fit_is_no_checkpoint(tmp_path):
    interrupted(tmp_path / "training").save(tmp_path / "fit")
    with pytest.raises(StorageError, match="no checkpoint"):
        StrADiff(3, **SETTINGS, checkpoint=tmp_path / "fit").fit(Y)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"checkpoint": "x", "random_state": None}, "random_state"),
        ({"checkpoint": 7}, "must be the path of a file"),
        ({"checkpoint": ""}, "must be the path of a file"),
        ({"checkpoint": "x", "checkpoint_seconds": -1.0}, "checkpoint_seconds"),
        ({"checkpoint": "x", "checkpoint_seconds": float("nan")}, "checkpoint_seconds"),
    ],
)
def test_options_that_cannot_be(wrong, said):
    with as_users_call(), pytest.raises(OptionError, match=said):
        StrADiff(3, **SETTINGS | wrong).fit(Y)


def test_a_place_that_cannot_be_written_is_said_at_once(tmp_path):
    with pytest.raises(StorageError, match="missing"):
        StrADiff(3, **SETTINGS, checkpoint=tmp_path / "missing" / "x", checkpoint_seconds=0.0).fit(Y)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_refuses_costs_no_fit(tmp_path, monkeypatch):
    def refuse(*_):
        raise StorageError("the disk is full")

    whole = StrADiff(3, **SETTINGS).fit(Y)
    monkeypatch.setattr(CheckpointFile, "write", refuse)
    with pytest.warns(RuntimeWarning, match=r"training goes on without. the disk is full"):
        kept = StrADiff(3, **SETTINGS, checkpoint=tmp_path / "x", checkpoint_seconds=0.0).fit(Y)
    same(whole, kept)
