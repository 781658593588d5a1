"""Many recordings: written as they come, failures stop no other, nothing is done twice, workers change no bit."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from as_users_call import as_users_call
from sklearn.base import clone

from stradiff import (
    Diffusion,
    MonteCarlo,
    Objective,
    Recording,
    StrADiff,
    Training,
    fit_many,
    simulate,
)
from stradiff.errors import InputError, OptionError, StorageError
from stradiff.jobs.recordings import RecordingTask
from stradiff.data.writers import atomic_path
from stradiff.jobs import processes
from stradiff.jobs.processes import KILLED, NOT_STARTED, STARTS, THREADS
from stradiff.jobs.runner import run_tasks

SMALL = StrADiff(  # quick to compile
    3,
    prior="matern12",
    diffusion=Diffusion(n_steps=3, network="none"),
    objective=Objective(lambda_volume=0.0),
    training=Training(max_epochs=3, tol=0.0),
    uncertainty=MonteCarlo(n_draws=3),
    random_state=0,
    verbose=False,
)


def changed(**parameters):
    return clone(SMALL).set_params(**parameters)


@dataclass(frozen=True)
class Note:
    """A task that writes a text, and the process that ran it."""

    text: str

    @property
    def digest(self) -> str:
        return self.text

    def run(self, path: Path) -> None:
        if self.text == "bad":
            raise InputError("This one\ncannot be.")
        path.write_text(f"{self.text} {os.getpid()}")


@dataclass(frozen=True)
class Deadly(Note):
    """A task that kills its worker the first time."""

    def run(self, path: Path) -> None:
        marker = path.with_suffix(".tried")
        if not marker.exists():
            marker.write_text("")
            os.kill(os.getpid(), signal.SIGKILL)
        super().run(path)


@dataclass(frozen=True)
class Lethal(Note):
    """A task that kills its worker every time."""

    def run(self, path: Path) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Threads(Note):
    """A task that writes how many threads the libraries of its process may use."""

    def run(self, path: Path) -> None:
        path.write_text(" ".join(os.environ.get(name, "all") for name in THREADS))


def through(tasks, folder, **how):
    return run_tasks(tasks, {name: folder / f"{name}.txt" for name in tasks}, folder, verbose=False, **how)


def test_failures_stop_no_other_and_only_they_are_tried_again(tmp_path):
    items = {"a": Note("one"), "b": Note("bad"), "c": Note("three")}
    first = through(items, tmp_path)
    assert [(one.name, one.error, one.fresh) for one in first] == [
        ("a", None, True),
        ("b", "InputError: This one cannot be.", True),
        ("c", None, True),
    ]
    assert {one.name for one in through(items, tmp_path) if one.fresh} == {"b"}
    again = through(items | {"b": Note("good")}, tmp_path)
    assert [one.error for one in again] == [None, None, None]


def test_another_task_and_a_lost_result_are_worked_on(tmp_path):
    items = {"a": Note("one"), "b": Note("two"), "c": Note("three")}
    through(items, tmp_path)
    (tmp_path / "b.txt").unlink()
    changed = through(items | {"c": Note("other")}, tmp_path)
    assert [one.fresh for one in changed] == [False, True, True]
    assert (tmp_path / "c.txt").read_text().startswith("other")


def test_what_is_finished_stays_when_it_is_interrupted(tmp_path):
    class Interrupt(Note):
        def run(self, path):
            raise KeyboardInterrupt

    items = {"a": Note("one"), "b": Interrupt("two"), "c": Note("three")}
    with pytest.raises(KeyboardInterrupt):
        through(items, tmp_path)
    assert [one.fresh for one in through(items | {"b": Note("two")}, tmp_path)] == [False, True, True]


class Killed(BaseException):
    """Nothing after it is done, not even what Ctrl-C leaves time for."""


def test_a_result_of_other_settings_does_not_pass_for_done_after_a_kill(tmp_path):
    class Last(Note):
        def run(self, path):
            super().run(path)
            raise Killed  # between the result and its entry

    items = {"a": Note("one"), "b": Note("two")}
    through(items, tmp_path)
    with pytest.raises(Killed):
        through({"a": Last("other"), "b": Note("other")}, tmp_path)
    again = through(items, tmp_path)
    assert [one.fresh for one in again] == [True, False]  # the second had not begun
    assert (tmp_path / "a.txt").read_text().startswith("one ")


def test_without_dask_nothing_is_made_for_a_scheduler(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    tasks, how = {"a": Note("one")}, {"scheduler": "tcp://127.0.0.1:1"}
    with pytest.raises(OptionError, match="needs dask"):
        through(tasks, tmp_path / "out", **how)
    assert not list(tmp_path.iterdir())
    assert not through({}, tmp_path / "out", **how)


@pytest.mark.parametrize("content", ["no json", "[1]", '{"a": 1}'])
def test_a_damaged_list_is_said(tmp_path, content):
    (tmp_path / "done.json").write_text(content)
    with pytest.raises(StorageError, match=r"done\.json is no list of finished recordings; delete it"):
        through({"a": Note("one")}, tmp_path)


@pytest.mark.parametrize("n_jobs", [0, -1, 1.5, True])
def test_a_number_of_workers_that_cannot_be(tmp_path, n_jobs):
    with as_users_call(), pytest.raises(OptionError, match="n_jobs"):
        through({"a": Note("one")}, tmp_path, n_jobs=n_jobs)


def test_a_scheduler_that_does_not_answer(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")

    def refuse(*_, **__):
        raise OSError("no answer")

    monkeypatch.setattr(distributed, "Client", refuse)
    with pytest.raises(OptionError, match="does not answer"):
        through({"a": Note("one")}, tmp_path, scheduler="tcp://127.0.0.1:1")


def test_killed_workers_lose_nothing_and_a_task_that_kills_each_fails_in_a_sentence(tmp_path, monkeypatch):
    """And every worker has one thread, whatever this process may use."""
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    monkeypatch.setenv("NPROC", "8")
    tasks = {"a": Note("one"), "b": Deadly("two"), "c": Lethal("three"), "d": Note("bad"), "e": Threads("five")}
    outcomes = through(tasks, tmp_path, n_jobs=2)
    assert [one.name for one in outcomes] == list(tasks)
    assert [one.error for one in outcomes] == [None, None, KILLED, "InputError: This one cannot be.", None]
    assert (tmp_path / "b.tried").exists()
    for name in "ab":
        text = (tmp_path / f"{name}.txt").read_text()
        assert text.startswith(f"{tasks[name].text} ") and not text.endswith(f" {os.getpid()}")
    assert (tmp_path / "e.txt").read_text() == "1 1 1 1"
    assert os.environ["MKL_NUM_THREADS"] == "3" and os.environ["NPROC"] == "8"  # as they were before
    again = through(tasks | {"c": Note("three")}, tmp_path)
    assert [one.name for one in again if one.fresh] == ["c", "d"]


PROGRAM = """
import sys, time
from pathlib import Path
from stradiff.jobs.runner import run_tasks

class Sleep:
    def __init__(self, seconds): self.digest, self.seconds = str(seconds), seconds
    def run(self, path): path.with_suffix(".begun").touch(); time.sleep(self.seconds); path.touch()

tasks, folder = {"short": Sleep(0.0), "long": Sleep(60.0)}, Path(sys.argv[1])
run_tasks(tasks, {name: folder / f"{name}.txt" for name in tasks}, folder, n_jobs=2, verbose=False)
"""


def test_ctrl_c_ends_the_workers_and_leaves_what_is_finished(tmp_path):
    """As in a terminal, where it reaches the workers too."""
    command = ["-c", f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n{PROGRAM}"]
    process = subprocess.Popen(
        [sys.executable, *command, str(tmp_path)], start_new_session=True, stderr=subprocess.PIPE
    )
    until = time.monotonic() + 100
    while not ((tmp_path / "done.json").exists() and (tmp_path / "long.begun").exists()):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=30)[1].decode()
    assert said.count("Traceback") == 1 and said.rstrip().endswith("KeyboardInterrupt")
    assert list(json.loads((tmp_path / "done.json").read_text())) == ["short"]
    assert not (tmp_path / "long.txt").exists()
    while alive := [one for one in psutil.process_iter() if in_group(one, process.pid)]:
        assert time.monotonic() < until, alive
        time.sleep(0.05)


def in_group(process, group):
    """Whether a process runs and belongs to a group."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE and os.getpgid(process.pid) == group
    except (psutil.NoSuchProcess, ProcessLookupError):
        return False


@pytest.fixture
def cluster():
    """A dask cluster of two processes, which says nothing of the workers it loses."""
    distributed = pytest.importorskip("distributed")
    logging.disable(logging.CRITICAL)
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        yield cluster.scheduler_address
    logging.disable(logging.NOTSET)


def test_on_a_cluster_failures_and_killed_workers_stop_no_other(tmp_path, cluster):
    tasks = {"a": Note("one"), "b": Deadly("two"), "c": Note("bad"), "d": Note("four")}
    outcomes = through(tasks, tmp_path, scheduler=cluster)
    assert [one.error for one in outcomes] == [None, None, "InputError: This one cannot be.", None]
    assert (tmp_path / "b.tried").exists()


def test_fits_do_not_depend_on_the_workers(tmp_path):
    recordings = {f"trial {k}": simulate("linear", n_samples=150, seed=k).recording for k in range(2)}
    alone = fit_many(recordings, SMALL, tmp_path / "alone")
    together = fit_many(recordings, SMALL, tmp_path / "together", n_jobs=2)
    assert [one.error for one in alone + together] == 4 * [None]
    for one, other in zip(alone, together, strict=True):
        one, other = StrADiff.load(one.path), StrADiff.load(other.path)
        np.testing.assert_array_equal(one.sources_, other.sources_)
        np.testing.assert_array_equal(one.sources_std_, other.sources_std_)


def test_files_arrays_and_recordings_go_on_where_they_stopped(tmp_path):
    values = [simulate("linear", n_samples=150, seed=k).recording.values for k in range(3)]
    np.save(tmp_path / "first.npy", values[0])
    recordings = [tmp_path / "first.npy", values[1], Recording(values[2], name="third"), tmp_path / "missing.csv"]
    outcomes = fit_many(recordings, SMALL, tmp_path / "out")
    assert [one.name for one in outcomes] == ["first", "recording 2", "third", "missing"]
    assert [one.error is None for one in outcomes] == [True, True, True, False]
    assert "ReadError" in outcomes[3].error and "missing.csv" in outcomes[3].error
    again = fit_many(recordings, SMALL, tmp_path / "out")
    assert [one.fresh for one in again] == [False, False, False, True]
    other = fit_many(recordings[:1], changed(objective__nu_y=0.02), tmp_path / "out")
    assert other[0].fresh
    assert set(json.loads((tmp_path / "out" / "done.json").read_text())) == {one.name for one in outcomes}


def test_an_array_that_is_none_stops_no_other_and_starts_that_differ_are_another_task(tmp_path):
    values = simulate("linear", n_samples=400, seed=0).recording.values
    outcomes = fit_many({"ragged": [[1.0], [1.0, 2.0]], "good": values[:150]}, SMALL, tmp_path)
    assert [one.error is None for one in outcomes] == [False, True]
    start = values.copy()
    start[200] += 1.0  # in the middle, which a printed array leaves out
    tasks = {RecordingTask(changed(init=init), values).digest for init in (values, start)}
    assert len(tasks) == 2


def test_callbacks_and_checkpoints_are_no_other_task():
    values = np.eye(9, 3)
    others = changed(training__callbacks=[print]), changed(checkpoint="kept"), changed(verbose="auto")
    assert {RecordingTask(one, values).digest for one in others} == {RecordingTask(SMALL, values).digest}
    assert RecordingTask(changed(training__max_epochs=4), values).digest != RecordingTask(SMALL, values).digest


def nullable(rows):
    return pd.DataFrame(rows).astype("Float64")


def masked(rows):
    return np.ma.array(np.arange(float(rows.size)).reshape(rows.shape), mask=np.isnan(rows))


@pytest.mark.parametrize("kind", [masked, nullable, lambda rows: np.where(np.isnan(rows), None, rows)])
def test_a_task_is_known_by_its_numbers_and_its_gaps(kind):
    def task(*gaps, **settings):
        values = np.random.default_rng(0).standard_normal((50, 3))
        for gap in gaps:
            values[gap] = np.nan
        return RecordingTask(StrADiff(2, missing="mask", **settings), kind(values)).digest

    assert len({task(*gaps) for gaps in ([], [(3, 1)], [(4, 1)], [(4, 1), (5, 2)])}) == 4
    assert task((3, 1)) == task((3, 1))


def test_starts_in_a_frame_are_distinguished():
    def task(change):
        start = pd.DataFrame(np.random.default_rng(0).standard_normal((500, 3)))
        start.iloc[250, 1] += change  # in the middle, which a printed frame leaves out
        return RecordingTask(StrADiff(3, init=start), np.eye(500, 3)).digest

    assert task(0.0) == task(0.0) != task(1.0)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fit_that_was_interrupted_ends_them_all_and_is_not_done(tmp_path):
    def interrupt(_):
        raise KeyboardInterrupt

    values = [simulate("linear", n_samples=150, seed=k).recording.values for k in range(2)]
    with pytest.raises(KeyboardInterrupt):
        fit_many(values, changed(training__callbacks=[interrupt]), tmp_path)
    assert not list(tmp_path.iterdir())
    assert [one.fresh for one in fit_many(values, SMALL, tmp_path)] == [True, True]


@pytest.mark.parametrize(
    ("recordings", "settings", "error", "said"),
    [
        ([np.eye(3)], {"random_state": None}, OptionError, "random_state=None must be a number"),
        ([], {}, InputError, "no recording"),
        ({"a/b": np.eye(3)}, {}, InputError, "cannot be that of a file"),
        ({1: np.eye(3)}, {}, InputError, "cannot be that of a file"),
        (["x/a.csv", "y/a.csv"], {}, InputError, "Two recordings are called 'a'"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(tmp_path, recordings, settings, error, said):
    with as_users_call(), pytest.raises(error, match=said):
        fit_many(recordings, changed(**settings), tmp_path)
    assert not list(tmp_path.iterdir())
