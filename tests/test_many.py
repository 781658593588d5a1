"""Many recordings: written as they come, failures stop no other, nothing is done twice, workers change no bit."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pandas as pd
import psutil
import pytest
from as_users_call import as_users_call
from sklearn.base import clone
from tasks import Counted, Deadly, Lethal, Mute, Note, Threads, Unreadable

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
from stradiff.files import LOCK
from stradiff.jobs import processes
from stradiff.jobs.cluster import warn_where_open
from stradiff.jobs.processes import KILLED, NOT_STARTED, STARTS
from stradiff.jobs.recordings import RecordingTask
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


def test_a_killed_worker_costs_its_own_task_and_results_come_early(tmp_path):
    tasks = {"a": Counted("killed"), **{name: Counted("lives") for name in "bcd"}}
    outcomes = through(tasks, tmp_path, n_jobs=2)
    assert [one.error for one in outcomes] == 4 * [None]
    assert [(tmp_path / f"{name}.runs").read_text() for name in tasks] == ["xx", "x", "x", "x"]
    assert (tmp_path / "a.txt").stat().st_mtime_ns > (tmp_path / "d.txt").stat().st_mtime_ns  # last, and alone


def test_a_result_is_not_computed_again_where_only_its_message_is_lost(tmp_path):
    """A result that was there before does not pass for it."""
    (tmp_path / "a.txt").write_text("old")
    (tmp_path / "b.txt").write_text("old")
    tasks = {"a": Mute("new"), "b": Counted("killed")}
    assert [one.error for one in through(tasks, tmp_path, n_jobs=2)] == [None, None]
    assert [(tmp_path / f"{name}.runs").read_text() for name in tasks] == ["x", "xx"]
    assert [(tmp_path / f"{name}.txt").read_text() for name in tasks] == ["new", "killed"]


def test_workers_that_are_killed_while_they_start_are_started_again(tmp_path, monkeypatch):
    starts = tmp_path / "starts"
    dies = f"import os, pathlib; starts = pathlib.Path({str(starts)!r}).open('a'); starts.write('x'); starts.close(); "
    dies += f"os.stat(starts.name).st_size > {STARTS - 1} or os.kill(os.getpid(), 9); "
    monkeypatch.setattr(processes, "PROGRAM", dies + processes.PROGRAM)
    outcomes = through({"a": Note("one"), "b": Note("two")}, tmp_path, n_jobs=2)
    assert [one.error for one in outcomes] == [None, None]
    assert len(starts.read_text()) > STARTS - 1


def test_where_no_worker_lives_every_task_says_so(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(processes, "PROGRAM", "import os; os.kill(os.getpid(), 9)")
    outcomes = through({"a": Note("one"), "b": Note("two")}, tmp_path, n_jobs=2)
    assert [one.error for one in outcomes] == 2 * [NOT_STARTED]
    assert capfd.readouterr().err == ""


def test_what_cannot_be_sent_fails_alone(tmp_path):
    @dataclass(frozen=True)
    class Locked(Note):
        lock: object = field(default_factory=threading.Lock)

    outcomes = through({"a": Locked("one"), "b": Note("two"), "c": Unreadable("three")}, tmp_path, n_jobs=2)
    assert outcomes[0].error == (
        "OptionError: A worker process cannot be sent this (TypeError: cannot pickle '_thread.lock' object); "
        "use n_jobs=1."
    )
    assert [one.error for one in outcomes[1:]] == [None, "InputError: There is nothing in it."]


PROGRAM = """
import asyncio, multiprocessing, sys, time
from pathlib import Path
from stradiff.files import atomic_path
from stradiff.jobs.runner import run_tasks

class Sleep:
    def __init__(self, seconds): self.digest, self.seconds = str(seconds), seconds
    def run(self, path):
        with atomic_path(path) as unfinished:
            unfinished.touch(); path.with_suffix(".begun").touch(); time.sleep(self.seconds)

def run(*seconds):
    tasks, folder = {str(each): Sleep(each) for each in seconds}, Path(sys.argv[1])
    return run_tasks(tasks, {name: folder / f"{name}.txt" for name in tasks}, folder, n_jobs=2, verbose=False)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_parent_and_leave_what_is_finished(tmp_path, how):
    """Ctrl-C as in a terminal, where it reaches the workers too."""
    interrupts = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [sys.executable, "-c", f"{interrupts}\n{PROGRAM}\nrun(0.0, 60.0)", str(tmp_path)]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE)
    until = time.monotonic() + 100
    while not ((tmp_path / "done.json").exists() and (tmp_path / "60.0.begun").exists()):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.05)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert workers and not [port for one in (psutil.Process(process.pid), *workers) for port in one.net_connections()]
    (os.killpg if how == signal.SIGINT else os.kill)(process.pid, how)
    said = process.communicate(timeout=30)[1].decode()
    assert process.returncode == -how
    assert said.count("Traceback") == (how == signal.SIGINT)
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    assert list(json.loads((tmp_path / "done.json").read_text())) == ["0.0"]
    left = {LOCK} if how == signal.SIGKILL else set()  # the next run in the folder removes it
    assert {path.name for path in tmp_path.iterdir()} == {"done.json", "0.0.txt", "0.0.begun", "60.0.begun"} | left


def test_a_script_without_a_guard_in_a_running_loop_with_any_start_method(tmp_path):
    """As in Jupyter; what a script defines travels to the workers, and no worker runs the script."""
    script = tmp_path / "script.py"
    script.write_text(
        f"{PROGRAM}\n"
        "async def main(): return [one.error for one in run(0.0, 0.1)]\n"
        "multiprocessing.set_start_method('fork')\n"
        "print(__name__, asyncio.run(main()))\n"
    )
    (tmp_path / "out").mkdir()
    ran = subprocess.run([sys.executable, script, tmp_path / "out"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "__main__ [None, None]\n", "")


def test_processes_that_were_forked_or_spawned_may_have_workers(tmp_path):
    """Those of a pool, too; and forked from a process whose JAX has threads."""
    script = tmp_path / "script.py"
    script.write_text(
        f"{PROGRAM}\nimport warnings\n"
        "def errors(seconds): return [one.error for one in run(seconds)]\n"
        "if __name__ == '__main__':\n"
        "    import jax; jax.numpy.ones(3).sum()\n"
        "    warnings.simplefilter('ignore')  # JAX's, that a fork may not go well\n"
        "    for seconds, method in [(0.0, 'fork'), (0.1, 'spawn')]:\n"
        "        with multiprocessing.get_context(method).Pool(1) as pool: print(pool.map(errors, [seconds]))\n"
    )
    (tmp_path / "out").mkdir()
    ran = subprocess.run([sys.executable, script, tmp_path / "out"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, 2 * "[[None]]\n", "")


@pytest.fixture
def cluster():
    """A dask cluster of two processes, which says nothing of the workers it loses."""
    distributed = pytest.importorskip("distributed")
    logging.disable(logging.CRITICAL)
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as cluster:
        yield cluster
    logging.disable(logging.NOTSET)


def test_on_a_cluster_failures_and_killed_workers_stop_no_other(tmp_path, cluster):
    """Given as its address, also where a loop runs, as in Jupyter; or as a connection, which stays open."""
    tasks = {"a": Counted("killed"), "b": Counted("lives"), "c": Note("bad"), "d": Counted("lives")}

    async def in_a_running_loop():
        return through(tasks, tmp_path, scheduler=cluster.scheduler_address)

    outcomes = asyncio.run(in_a_running_loop())
    assert [one.error for one in outcomes] == [None, None, "InputError: This one cannot be.", None]
    assert (tmp_path / "a.runs").read_text() == "xx"
    with cluster.get_client() as client:
        assert through({"e": Note("five")}, tmp_path, scheduler=client)[0].error is None
        assert client.status == "running"


class Wound:
    """A future of dask as it is when its answer is there, or lost with the scheduler."""

    def __init__(self, answer, failure):
        self.answer, self.failure, self.released = answer, failure, False

    def exception(self):
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.failure and self.failure("d", None, 3)

    def result(self):
        return self.answer

    def release(self):
        self.released = True


def test_what_a_scheduler_has_lost_or_given_up_is_sent_again_and_answers_are_released(tmp_path, monkeypatch, caplog):
    """Or dask would compute it again where the worker that holds it is killed."""
    distributed = pytest.importorskip("distributed")
    sent, submitted, patience = [], [], []

    class Client:
        def __init__(self, address, timeout):
            patience.append(timeout)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            logging.getLogger("distributed.client").error("a traceback of the connection that is lost")

        def submit(self, function, name, task, path, pure):
            first = name not in sent
            sent.append(name)
            answer = function(name, task, path) if name in "ac" or not first else None
            if first and name in "bc":
                answer = distributed.CancelledError()
            submitted.append(Wound(answer, distributed.KilledWorker if first and name == "d" else None))
            return submitted[-1]

    monkeypatch.setattr(distributed, "Client", Client)
    monkeypatch.setattr(distributed, "as_completed", list)
    outcomes = through({name: Note(name) for name in "abcd"}, tmp_path, scheduler="tcp://127.0.0.1:1")
    assert [one.error for one in outcomes] == 4 * [None]
    assert sent == ["a", "b", "c", "d", "b", "d"]  # the result of c was there
    assert patience[0] < patience[1]
    assert not caplog.records
    assert [one.released for one in submitted] == [True, False, False, True, True, True]


@pytest.mark.parametrize(
    ("address", "alarm"),
    [
        ("tcp://192.0.2.1:8786", True),
        ("192.0.2.1:8786", True),
        ("tls://192.0.2.1:8786", False),
        ("tcp://127.0.0.1:8786", False),
        ("tcp://localhost:8786", False),
        ("tcp://[::1]:8786", False),
        ("inproc://192.0.2.1/1/1", False),
    ],
)
def test_a_scheduler_elsewhere_without_tls_is_a_warning(address, alarm):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_where_open(address)
        warn_where_open(SimpleNamespace(scheduler=SimpleNamespace(address=address)))
    assert [f"The scheduler {address} is reached without TLS" in str(one.message) for one in caught] == 2 * alarm * [
        True
    ]


def test_fits_on_a_scheduler_elsewhere_warn_before_they_begin(tmp_path, monkeypatch):
    monkeypatch.setattr("stradiff.jobs.recordings.run_tasks", lambda *_, **__: [])
    with pytest.warns(UserWarning, match="without TLS"):
        fit_many([np.eye(3)], SMALL, tmp_path, scheduler="tcp://192.0.2.1:8786")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate that vouches for itself, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    names = {"cert": str(folder / "certificate.pem"), "key": str(folder / "key.pem")}
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=test"]
    subprocess.run([*command, "-out", names["cert"], "-keyout", names["key"]], check=True, capture_output=True)
    return names


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_a_scheduler_with_tls_takes_certificates_of_dasks_configuration(tmp_path, certificate):
    """Without any, a sentence says where to name them."""
    dask = pytest.importorskip("dask")
    distributed = pytest.importorskip("distributed")
    roles = ("scheduler", "worker", "client")
    names = {f"tls_{role}_{kind}": path for role in roles for kind, path in certificate.items()}
    security = distributed.security.Security(tls_ca_file=certificate["cert"], require_encryption=True, **names)
    configured = {"distributed.comm.tls.ca-file": certificate["cert"]}
    configured |= {f"distributed.comm.tls.client.{kind}": path for kind, path in certificate.items()}
    how = {"n_workers": 1, "processes": False, "protocol": "tls", "dashboard_address": ":0"}
    with distributed.LocalCluster(**how, security=security) as cluster:
        address = cluster.scheduler_address
        with pytest.raises(OptionError, match=r"'tls://.* needs certificates; name ca-file, cert and key"):
            through({"a": Note("one")}, tmp_path, scheduler=address)
        with dask.config.set(configured):
            assert through({"a": Note("one")}, tmp_path, scheduler=address)[0].error is None


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
    assert [path.suffix for path in tmp_path.iterdir()] == [".checkpoint"]  # where the next call goes on
    assert [one.fresh for one in fit_many(values, SMALL, tmp_path)] == [True, True]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"done.json", "recording 1.stradiff", "recording 2.stradiff"}


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
