"""Runs that end otherwise than they should: signals, a folder that goes, two runs at once, a folder to read only."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from quick_runs import RESULTS, configuration

from stradiff.files import LOCK

PROGRAM = """
import sys
import stradiff.report
from quick_runs import write_page
from stradiff.cli import run
stradiff.report.write_report = write_page
sys.exit(run())
"""
TESTS = Path(__file__).parents[1]


class Run:
    """A run in a process of its own that would go on for long."""

    def __init__(self, recording: Path, out: Path, *more: str) -> None:
        options = recording.with_name("configuration.toml")
        options.write_text(configuration(max_epochs=1_000_000))
        command = [sys.executable, "-W", "ignore", "-c", PROGRAM, "separate", recording, "--config", options]
        self.out, self.checkpoint = out, out / "training.checkpoint"
        self.process = subprocess.Popen(
            [*map(str, command), "--out", str(out), "--checkpoint-every", "0", *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])},
        )

    def until_trained(self) -> None:
        """Wait until there is a new checkpoint."""
        before, limit = self._written(), time.monotonic() + 120
        while self._written() == before:
            assert self.process.poll() is None and time.monotonic() < limit, self.process.communicate()
            time.sleep(0.02)

    def _written(self) -> int:
        return self.checkpoint.stat().st_mtime_ns if self.checkpoint.exists() else 0

    def ended(self, number: int) -> tuple[int, str]:
        """Exit code and errors after a signal."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=120)
        return self.process.returncode, errors


@pytest.fixture
def begin(simulated, tmp_path):
    runs = []

    def _begin(out: Path, *more: str) -> Run:
        folder = tmp_path / "Größen für ñandú"
        folder.mkdir(exist_ok=True)
        shutil.copy(simulated / "recording.csv", folder)
        runs.append(Run(folder / "recording.csv", out, *more))
        return runs[-1]

    yield _begin
    for one in runs:
        one.process.kill()
        one.process.communicate()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_run_that_is_stopped_and_then_ended_writes_what_it_has(begin, run, simulated, tmp_path):
    out = tmp_path / "a folder" / "été"
    one = begin(out)
    one.until_trained()
    refused = run("separate", simulated / "recording.csv", "-n", 2, "--out", out)
    assert refused.code == 2 and "Another run is writing into" in refused.err
    one.process.send_signal(signal.SIGSTOP)
    time.sleep(0.5)
    one.process.send_signal(signal.SIGCONT)
    one.until_trained()
    code, errors = one.ended(signal.SIGTERM)
    assert code == 128 + signal.SIGTERM and "Traceback" not in errors
    assert names(out) == RESULTS | {"training.checkpoint"}
    assert json.loads((out / "summary.json").read_text())["training"]["interrupted"]


def test_a_folder_that_is_deleted_meanwhile_is_made_again(begin, tmp_path):
    one = begin(tmp_path / "out")
    one.until_trained()
    shutil.rmtree(one.out)
    time.sleep(0.5)
    code, errors = one.ended(signal.SIGHUP)
    assert code == 128 + signal.SIGHUP and "Traceback" not in errors
    assert names(one.out) - {"training.checkpoint"} == RESULTS


def test_a_killed_run_is_resumed_and_leaves_nothing_of_its_own(begin, tmp_path):
    one = begin(tmp_path / "out")
    one.until_trained()
    assert one.ended(signal.SIGKILL)[0] == -signal.SIGKILL
    assert names(one.out) >= {"training.checkpoint", LOCK}
    again = begin(tmp_path / "out", "--resume")
    again.until_trained()
    assert again.ended(signal.SIGTERM)[0] == 128 + signal.SIGTERM
    assert names(one.out) == RESULTS | {"training.checkpoint"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_to_read_only_is_refused_before_the_fit(run, simulated, tmp_path):
    (tmp_path / "out").mkdir(mode=0o500)
    result = run("separate", simulated / "recording.csv", "-n", 2, "--out", tmp_path / "out")
    assert result.code == 2 and "Nothing can be written into" in result.err
