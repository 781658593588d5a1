"""Many recordings: written as they come, failures stop nobody, nothing is done twice, workers change no bit."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from as_users_call import as_users_call

from stradiff import Recording, StrADiff, fit_many, simulate
from stradiff.errors import InputError, OptionError, StorageError
from stradiff.jobs.recordings import Separation
from stradiff.jobs.runner import THREADS, work_through

SETTINGS = {"max_epochs": 3, "tol": 0.0, "n_draws": 3, "random_state": 0, "verbose": False}
SETTINGS |= {"uncertainty": "monte-carlo", "prior": "matern12", "n_diffusion_steps": 3}  # quick to compile


@dataclass(frozen=True)
class Note:
    """Work that writes a text, and who wrote it."""

    text: str

    @property
    def task(self) -> str:
        return self.text

    def work(self, path: Path) -> None:
        if self.text == "bad":
            raise InputError("This one\ncannot be.")
        path.write_text(f"{self.text} {os.getpid()}")


@dataclass(frozen=True)
class Deadly(Note):
    """Work that takes its worker down the first time."""

    def work(self, path: Path) -> None:
        marker = path.with_suffix(".tried")
        if not marker.exists():
            marker.write_text("")
            os.kill(os.getpid(), signal.SIGKILL)
        super().work(path)


@dataclass(frozen=True)
class Threads(Note):
    """Work that writes how many threads the libraries of its process may use."""

    def work(self, path: Path) -> None:
        path.write_text(" ".join(os.environ.get(name, "all") for name in THREADS))


def places(items, folder):
    return {name: folder / f"{name}.txt" for name in items}


def through(items, folder, **how):
    return work_through(items, places(items, folder), folder, verbose=False, **how)


def test_failures_stop_nobody_and_only_they_are_tried_again(tmp_path):
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
        def work(self, path):
            raise KeyboardInterrupt

    items = {"a": Note("one"), "b": Interrupt("two"), "c": Note("three")}
    with pytest.raises(KeyboardInterrupt):
        through(items, tmp_path)
    assert [one.fresh for one in through(items | {"b": Note("two")}, tmp_path)] == [False, True, True]


class Killed(BaseException):
    """Nothing after it is done, not even what Ctrl-C leaves time for."""


def test_a_result_of_other_settings_does_not_pass_for_done_after_a_kill(tmp_path):
    class Last(Note):
        def work(self, path):
            super().work(path)
            raise Killed  # between the result and its entry

    items = {"a": Note("one"), "b": Note("two")}
    through(items, tmp_path)
    with pytest.raises(Killed):
        through({"a": Last("other"), "b": Note("other")}, tmp_path)
    again = through(items, tmp_path)
    assert [one.fresh for one in again] == [True, False]  # nobody had begun with the second
    assert (tmp_path / "a.txt").read_text().startswith("one ")


def test_without_dask_nothing_is_made_for_several_workers(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    items = {"a": Note("one")}  # one has a worker as well: the bits of many
    for how in ({"n_jobs": 2}, {"scheduler": "tcp://127.0.0.1:1"}):
        with pytest.raises(OptionError, match="need dask"):
            through(items, tmp_path / "out", **how)
    assert not list(tmp_path.iterdir())
    assert not through({}, tmp_path / "out", n_jobs=2)
    assert through(items, tmp_path / "out")[0].error is None


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
        raise OSError("nobody there")

    monkeypatch.setattr(distributed, "Client", refuse)
    with pytest.raises(OptionError, match="does not answer"):
        through({"a": Note("one")}, tmp_path, scheduler="tcp://127.0.0.1:1")


def test_a_killed_worker_loses_nothing(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    items = {f"{k}": Deadly(f"text {k}") if k == 2 else Note(f"text {k}") for k in range(6)} | {"bad": Note("bad")}
    outcomes = through(items, tmp_path, n_jobs=2)
    assert [one.name for one in outcomes] == list(items)
    assert [one.error for one in outcomes] == 6 * [None] + ["InputError: This one cannot be."]
    assert (tmp_path / "2.tried").exists()
    for name in "012345":
        text = (tmp_path / f"{name}.txt").read_text()
        assert text.startswith(f"text {name} ") and not text.endswith(f" {os.getpid()}")
    assert "OMP_NUM_THREADS" not in os.environ and os.environ["MKL_NUM_THREADS"] == "3"  # as they were before
    assert all(not one.fresh for one in through(items, tmp_path) if one.name != "bad")


def test_workers_have_one_thread_whatever_this_process_may_use_and_one_item_has_a_worker_too(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setenv("NPROC", "8")
    (outcome,) = through({"threads": Threads("threads")}, tmp_path, n_jobs=2)
    assert outcome.error is None and (tmp_path / "threads.txt").read_text() == "1 1 1 1"
    assert os.environ["NPROC"] == "8"


def test_fits_do_not_depend_on_who_works(tmp_path):
    pytest.importorskip("distributed")
    recordings = {f"trial {k}": simulate("linear", n_samples=150, seed=k).recording for k in range(2)}
    estimator = StrADiff(3, **SETTINGS)
    alone = fit_many(recordings, estimator, tmp_path / "alone")
    together = fit_many(recordings, estimator, tmp_path / "together", n_jobs=2)
    assert [one.error for one in alone + together] == 4 * [None]
    for one, other in zip(alone, together, strict=True):
        one, other = StrADiff.load(one.path), StrADiff.load(other.path)
        np.testing.assert_array_equal(one.sources_, other.sources_)
        np.testing.assert_array_equal(one.sources_std_, other.sources_std_)


def test_files_arrays_and_recordings_go_on_where_they_stopped(tmp_path):
    values = [simulate("linear", n_samples=150, seed=k).recording.values for k in range(3)]
    np.save(tmp_path / "first.npy", values[0])
    recordings = [tmp_path / "first.npy", values[1], Recording(values[2], name="third"), tmp_path / "missing.csv"]
    outcomes = fit_many(recordings, StrADiff(3, **SETTINGS), tmp_path / "out")
    assert [one.name for one in outcomes] == ["first", "recording 2", "third", "missing"]
    assert [one.error is None for one in outcomes] == [True, True, True, False]
    assert "ReadError" in outcomes[3].error and "missing.csv" in outcomes[3].error
    again = fit_many(recordings, StrADiff(3, **SETTINGS), tmp_path / "out")
    assert [one.fresh for one in again] == [False, False, False, True]
    other = fit_many(recordings[:1], StrADiff(3, **SETTINGS | {"nu_y": 0.02}), tmp_path / "out")
    assert other[0].fresh
    assert set(json.loads((tmp_path / "out" / "done.json").read_text())) == {one.name for one in outcomes}


def test_an_array_that_is_none_stops_nobody_and_starts_that_differ_are_another_task(tmp_path):
    values = simulate("linear", n_samples=400, seed=0).recording.values
    outcomes = fit_many({"ragged": [[1.0], [1.0, 2.0]], "good": values[:150]}, StrADiff(3, **SETTINGS), tmp_path)
    assert [one.error is None for one in outcomes] == [False, True]
    start = values.copy()
    start[200] += 1.0  # in the middle, which a printed array leaves out
    tasks = {Separation(StrADiff(3, **SETTINGS, init=init), values).task for init in (values, start)}
    assert len(tasks) == 2


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
        return Separation(StrADiff(2, missing="mask", **settings), kind(values)).task

    assert len({task(*gaps) for gaps in ([], [(3, 1)], [(4, 1)], [(4, 1), (5, 2)])}) == 4
    assert task((3, 1)) == task((3, 1))


def test_starts_in_a_frame_are_told_apart():
    def task(change):
        start = pd.DataFrame(np.random.default_rng(0).standard_normal((500, 3)))
        start.iloc[250, 1] += change  # in the middle, which a printed frame leaves out
        return Separation(StrADiff(3, init=start), np.eye(500, 3)).task

    assert task(0.0) == task(0.0) != task(1.0)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fit_that_was_interrupted_ends_them_all_and_is_not_done(tmp_path):
    def interrupt(_):
        raise KeyboardInterrupt

    values = [simulate("linear", n_samples=150, seed=k).recording.values for k in range(2)]
    with pytest.raises(KeyboardInterrupt):
        fit_many(values, StrADiff(3, **SETTINGS, callbacks=(interrupt,)), tmp_path)
    assert not list(tmp_path.iterdir())
    assert [one.fresh for one in fit_many(values, StrADiff(3, **SETTINGS), tmp_path)] == [True, True]


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
        fit_many(recordings, StrADiff(3, **SETTINGS | settings), tmp_path)
    assert not list(tmp_path.iterdir())
