"""A fit that was stopped, or killed, goes on to the same bits; what does not belong to it is refused."""

from __future__ import annotations

import itertools
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from as_users_call import as_users_call
from short import estimator

from stradiff import serialization, simulate
from stradiff.config import Dense
from stradiff.errors import OptionError, StorageError
from stradiff.train import restarts
from stradiff.train.checkpoint import KIND, CheckpointFile
from stradiff.train.restarts import Rung

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

PARAMETERS = {"max_epochs": 450, "tol": 0.0, "random_state": 3, "verbose": False, "uncertainty": "monte-carlo"}
PARAMETERS |= {"prior": "matern12", "n_steps": 2, "network": Dense(width=4)}  # quick to compile
Y = simulate("linear", n_samples=150, seed=0).recording.values

PROGRAM = """
import sys
from stradiff import StrADiff, simulate
from stradiff.config import Checkpoint, Dense, Diffusion, Training
Y = simulate("linear", n_samples=150, seed=0).recording.values
StrADiff(3, random_state=3, verbose=False, uncertainty="monte-carlo", prior="matern12",
         diffusion=Diffusion(n_steps=2, network=Dense(width=4)), training=Training(max_epochs=2500, tol=0.0),
         checkpoint=Checkpoint(sys.argv[1], seconds=0.0)).fit(Y)
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
    whole = estimator(3, **PARAMETERS, **more).fit(Y)
    kept = {"checkpoint": file, "checkpoint_seconds": 0.0}
    stopped = estimator(3, **PARAMETERS, **more, **kept, callbacks=(stop_at(300),)).fit(Y)
    assert stopped.interrupted_ and stopped.n_epochs_ < 450
    assert file.exists()
    seen = []
    again = estimator(3, **PARAMETERS, **more, **kept, callbacks=(lambda report: seen.append(report.epoch),)).fit(Y)
    assert min(seen[:1]) > 300
    same(whole, again)
    if "n_restarts" in more:
        np.testing.assert_array_equal(whole.stability_, again.stability_)
    assert file.exists()
    if not more:  # the file stays, and of a fit that is complete nothing is trained again
        seen.clear()
        same(whole, estimator(3, **PARAMETERS, **kept, callbacks=(lambda report: seen.append(report),)).fit(Y))
        assert not seen


@pytest.mark.usefixtures("_ctrl_c_interrupts")
def test_a_second_ctrl_c_does_not_take_what_the_first_has_left(tmp_path, monkeypatch):
    file, write = tmp_path / "training", CheckpointFile.write
    monkeypatch.setattr(CheckpointFile, "write", lambda *how: (signal.raise_signal(signal.SIGINT), write(*how)))
    with pytest.raises(KeyboardInterrupt):
        estimator(3, **PARAMETERS, checkpoint=file, callbacks=(stop_at(100),)).fit(Y)
    assert file.exists()


def test_a_converged_fit_does_not_train_on(tmp_path):
    file, parameters = tmp_path / "training", PARAMETERS | {"tol": 1e9, "max_epochs": 5000}
    whole = estimator(3, **parameters).fit(Y)
    assert whole.converged_
    estimator(3, **parameters, checkpoint=file, callbacks=(stop_at(whole.n_epochs_),)).fit(Y)
    again = estimator(3, **parameters, checkpoint=file, callbacks=(stop_at(0),)).fit(Y)
    assert again.converged_ and not again.interrupted_
    same(whole, again)


def test_killed_at_a_random_moment_it_goes_on_to_the_same_bits(tmp_path):
    file = tmp_path / "training"
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", PROGRAM, str(file)])
    while not file.exists() and process.poll() is None:
        time.sleep(0.01)
    time.sleep(random.uniform(0.0, 0.2))
    assert process.poll() is None, "it had ended before it was killed"
    process.kill()
    process.wait()
    seen, parameters = [], PARAMETERS | {"max_epochs": 2500}
    again = estimator(3, **parameters, checkpoint=file, callbacks=(lambda report: seen.append(report.epoch),)).fit(Y)
    assert 100 < seen[0] < 2500
    same(estimator(3, **parameters).fit(Y), again)


def interrupted(file: Path, **more):
    return estimator(3, **PARAMETERS | more, checkpoint=file, callbacks=(stop_at(100),)).fit(Y)


def test_another_recording_or_configuration_is_refused(checkpoint):
    other = "training belongs to another recording, another random_state or another start; delete it"
    named = r"training was written with nu_y=0\.01 \(now 0\.02\), max_epochs=450 \(now 400\); delete it"
    for values, changes, message in (
        (Y + np.eye(len(Y), 3), {}, other),
        (Y, {"random_state": 4}, other),
        (Y, {"nu_y": 0.02, "max_epochs": 400}, named),
    ):
        with pytest.raises(StorageError, match=message):
            estimator(3, **PARAMETERS | changes, checkpoint=checkpoint).fit(values)
    assert checkpoint.exists()


def test_a_file_that_is_none_is_refused(checkpoint):
    for content in (b"", b"no checkpoint", checkpoint.read_bytes()[:-9]):
        checkpoint.write_bytes(content)
        with pytest.raises(StorageError, match="damaged"):
            estimator(3, **PARAMETERS, checkpoint=checkpoint).fit(Y)


def test_a_saved_fit_is_no_checkpoint(tmp_path):
    interrupted(tmp_path / "training").save(tmp_path / "fit")
    with pytest.raises(StorageError, match="is not a checkpoint"):
        estimator(3, **PARAMETERS, checkpoint=tmp_path / "fit").fit(Y)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"checkpoint": "x", "random_state": None}, "random_state"),
        ({"checkpoint": 7}, "must be the path of a file"),
        ({"checkpoint": ""}, "must be the path of a file"),
        ({"checkpoint": "x", "checkpoint_seconds": -1.0}, "seconds=-1.0 must be a finite number, 0 or above"),
        ({"checkpoint": "x", "checkpoint_seconds": float("nan")}, "seconds=nan must be"),
    ],
)
def test_options_that_cannot_be(wrong, message):
    with as_users_call(), pytest.raises(OptionError, match=message):
        estimator(3, **PARAMETERS | wrong).fit(Y)


def test_a_path_that_cannot_be_written_is_refused_at_once(tmp_path):
    with pytest.raises(StorageError, match="missing"):
        estimator(3, **PARAMETERS, checkpoint=tmp_path / "missing" / "x", checkpoint_seconds=0.0).fit(Y)
    assert not list(tmp_path.iterdir())


def test_a_fit_survives_a_full_disk(tmp_path, monkeypatch):
    def refuse(*_):
        raise StorageError("the disk is full")

    whole = estimator(3, **PARAMETERS).fit(Y)
    monkeypatch.setattr(CheckpointFile, "write", refuse)
    with pytest.warns(RuntimeWarning, match=r"training goes on and will try again. the disk is full") as said:
        kept = estimator(3, **PARAMETERS, checkpoint=tmp_path / "x", checkpoint_seconds=0.0).fit(Y)
    assert sum("the disk is full" in str(one.message) for one in said) == 1
    same(whole, kept)


def test_a_disk_without_room_is_refused_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr("stradiff.files.shutil.disk_usage", lambda folder: SimpleNamespace(free=450e3))
    with pytest.raises(
        StorageError, match=r"Fitting 150 samples needs about .* MB of disk in .*, where 450 kB are free"
    ):
        estimator(3, **PARAMETERS, checkpoint=tmp_path / "x", callbacks=(stop_at(0),)).fit(Y)


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The bytes of a checkpoint of 100 epochs."""
    file = tmp_path_factory.mktemp("content") / "training"
    interrupted(file)
    return file.read_bytes()


@pytest.fixture
def checkpoint(content, tmp_path):
    (tmp_path / "training").write_bytes(content)
    return tmp_path / "training"


def changed(file: Path, header, arrays) -> None:
    """Write a checkpoint with other content and the digest that belongs to it."""
    written, content = serialization.read(file, KIND, "a checkpoint")
    header(written)
    arrays(content)
    serialization.write(file, KIND, written, {name: np.asarray(rows, order="C") for name, rows in content.items()})


NAME = "['state'].model.mixing.matrix"


@pytest.mark.parametrize(
    ("header", "arrays", "message"),
    [
        (lambda header: header.pop("task"), None, "task"),
        (lambda header: header.update(settings=3), None, "settings|int"),
        (lambda header: header.pop("paths"), None, "paths"),
        (lambda header: header.update(paths={"0": [10**12, 10**12]}), None, "no checkpoint"),
        (None, lambda arrays: arrays.pop(NAME), "missing or unknown"),
        (None, lambda arrays: arrays.update(other=np.zeros(3)), "missing or unknown"),
        (None, lambda arrays: arrays.update({NAME: arrays[NAME].T[:2]}), "is float32"),
        (None, lambda arrays: arrays.update({NAME: arrays[NAME].astype(np.float64)}), "is float64"),
        (None, lambda arrays: arrays.update({NAME: arrays[NAME] * np.float32(np.nan)}), "not finite"),
        (None, lambda arrays: arrays.update({"['state'].epoch": np.int32(2**31 - 1)}), "no checkpoint"),
    ],
)
def test_a_checkpoint_of_another_structure_is_refused_and_kept(checkpoint, header, arrays, message):
    file = checkpoint
    changed(file, header or dict, arrays or dict)
    before = file.read_bytes()
    with pytest.raises(StorageError, match=message) as raised:
        estimator(3, **PARAMETERS, checkpoint=file).fit(Y)
    assert str(file) in str(raised.value) and "delete it to start anew" in str(raised.value)
    assert file.read_bytes() == before


def test_a_changed_value_is_refused(checkpoint):
    file = checkpoint
    content = bytearray(file.read_bytes())
    content[-40] ^= 1
    file.write_bytes(content)
    with pytest.raises(StorageError, match="is damaged: its content is not what was written"):
        estimator(3, **PARAMETERS, checkpoint=file).fit(Y)


def test_a_clock_that_is_set_back_and_a_machine_that_sleeps_change_nothing(tmp_path, monkeypatch):
    jumps = itertools.chain([0.0, 3600.0, -7200.0], itertools.repeat(1e6))
    monkeypatch.setattr(time, "time", lambda clock=time.time: clock() + next(jumps))
    monkeypatch.setattr(time, "monotonic", lambda clock=time.monotonic: clock() + next(jumps))
    same(estimator(3, **PARAMETERS).fit(Y), estimator(3, **PARAMETERS, checkpoint=tmp_path / "x").fit(Y))
