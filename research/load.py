"""Many recordings while things go wrong: workers are killed, files are corrupt, the disk is slow, a scheduler restarts.

    nice python research/load.py            # about ten minutes; writes research/results/load.json and load.md
    nice python research/load.py --print    # the table of the stored results, here and in docs/many.md

The same recordings are separated one after another, by worker processes of this machine, and on a dask cluster. Every
task leaves a line when it begins and when it has written its result, which tells what was done twice.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from pages import filled

from stradiff import Diffusion, MonteCarlo, Objective, StrADiff, Training, simulate
from stradiff.errors import SeparationWarning
from stradiff.jobs.processes import THREADS
from stradiff.jobs.recordings import RecordingTask
from stradiff.jobs.runner import run_tasks
from stradiff.jobs.tasks import Outcome

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "many.md"
ALONE, WORKERS, CLUSTER = "one after another", "two workers, killed at random", "cluster, killed and restarted"
MODEL = StrADiff(
    3,
    prior="matern12",
    diffusion=Diffusion(n_steps=3, network="none"),
    objective=Objective(lambda_volume=0.0),
    training=Training(max_epochs=20, tol=0.0),
    uncertainty=MonteCarlo(n_draws=3),
    random_state=0,
    verbose=False,
)
Row = dict[str, Any]


@dataclass(frozen=True)
class OnSlowDisk(RecordingTask):
    """A recording on a disk that takes its time, and a log of what was begun and what was written."""

    log: Path
    seconds: float

    def run(self, path: Path) -> None:
        """Fit, and save the fit."""
        self.note(f"begun {path.stem}")
        time.sleep(self.seconds)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SeparationWarning)  # of 200 samples
            super().run(path)
        time.sleep(self.seconds)
        self.note(f"written {path.stem}")

    def note(self, line: str) -> None:
        """Append a line, which processes that share the file do not tear."""
        with self.log.open("a") as log:
            log.write(f"{line}\n")


def make_files(folder: Path, n_recordings: int, n_corrupt: int) -> list[Path]:
    """Recordings of different content, and files that are none: cut off, no numbers, empty."""
    folder.mkdir()
    for k in range(n_recordings - n_corrupt):
        np.save(folder / f"recording {k:02}.npy", simulate("linear", n_samples=200, seed=k).recording.values)
    whole = (folder / "recording 00.npy").read_bytes()
    for k in range(n_corrupt):
        (folder / f"corrupt {k:02}.npy").write_bytes((whole[: len(whole) // 2], b"no numbers", b"")[k % 3])
    return sorted(folder.iterdir(), key=lambda file: hashlib.sha256(file.name.encode()).digest())


def separate(files: list[Path], out: Path, seconds: float, **how: Any) -> Row:
    """What came of the files: outcomes, bits, and how often each was begun and written."""
    out.mkdir()
    tasks = {file.stem: OnSlowDisk(MODEL, file, out / "log", seconds) for file in files}
    began = time.perf_counter()
    outcomes = run_tasks(tasks, {name: out / f"{name}.stradiff" for name in tasks}, out, verbose=False, **how)
    log = Counter((out / "log").read_text().splitlines())
    return {
        "seconds": round(time.perf_counter() - began, 1),
        "in order": [one.name for one in outcomes] == list(tasks),
        "errors": {one.name: one.error.replace(f"{files[0].parent}{os.sep}", "") for one in outcomes if one.error},
        "digests": {one.name: digest(one) for one in outcomes if one.error is None},
        "begun": {name: log[f"begun {name}"] for name in tasks},
        "written": {name: log[f"written {name}"] for name in tasks},
        "left over": sorted(path.name for path in out.iterdir() if path.name.startswith(".")),
    }


def digest(outcome: Outcome) -> str:
    """Of the sources and their bands, to the last bit."""
    fit = StrADiff.load(outcome.path)
    return hashlib.sha256(fit.sources_.tobytes() + fit.sources_std_.tobytes()).hexdigest()


@contextmanager
def killer(out: Path, until: int, n_kills: int, pause: float) -> Iterator[list[int]]:
    """Kill workers of this process at random, from the first task until so many results are there."""
    killed: list[int] = []
    over, choice = threading.Event(), random.Random(0)

    def work() -> None:
        while len(killed) < n_kills and not over.wait(choice.uniform(0.5, 1.5) * pause) and written(out) < until:
            workers = [one for one in psutil.Process().children(recursive=True) if is_worker(one)]
            if workers and (out / "log").exists():
                victim = choice.choice(workers)
                victim.kill()
                killed.append(victim.pid)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def is_worker(process: psutil.Process) -> bool:
    """Of ``n_jobs``, or the one that computes under a nanny of dask."""
    try:
        command = " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False
    return "jobs.processes" in command or ("spawn_main" in command and "dask" in " ".join(process.parent().cmdline()))


def written(out: Path) -> int:
    """How many results are there."""
    return len(list(out.glob("*.stradiff")))


class Cluster:
    """A dask scheduler and two workers that are started again when they end, as by a supervisor."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
        self.over = threading.Event()
        self.scheduler = self.start_scheduler()
        self.workers = [self.start_worker() for _ in range(2)]
        self.watch = threading.Thread(target=self.supervise, daemon=True)
        self.watch.start()

    def start(self, command: str, *arguments: str) -> subprocess.Popen[bytes]:
        """One of dask's programs, silent."""
        program = [sys.executable, "-m", f"distributed.cli.dask_{command}", *arguments]
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(program, env={**os.environ, **THREADS}, **silent)

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        """At the same address as before."""
        port = self.address.rpartition(":")[2]
        return self.start("scheduler", "--host", "127.0.0.1", "--port", port, "--dashboard-address", ":0")

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Of one thread, with a nanny."""
        return self.start("worker", self.address, "--nthreads", "1", "--dashboard-address", ":0")

    def supervise(self) -> None:
        """Start workers again that ended, as those of a lost scheduler do."""
        while not self.over.wait(0.5):
            for k, worker in enumerate(self.workers):
                if worker.poll() is not None:
                    self.workers[k] = self.start_worker()

    def restart(self) -> None:
        """Kill the scheduler, and start it again a moment later."""
        self.scheduler.kill()
        self.scheduler.wait()
        time.sleep(2.0)
        self.scheduler = self.start_scheduler()

    def close(self) -> None:
        """End all of it."""
        self.over.set()
        self.watch.join()
        for process in (*self.workers, self.scheduler):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def on_cluster(files: list[Path], out: Path, seconds: float, kills: tuple[int, float]) -> Row:
    """On a cluster whose workers are killed, and whose scheduler is when half of the results are there."""
    cluster = Cluster()

    def restart() -> None:
        while written(out) < len(files) // 2 and not cluster.over.wait(0.1):
            pass
        if not cluster.over.is_set():
            cluster.restart()

    thread = threading.Thread(target=restart, daemon=True)
    try:
        thread.start()
        with killer(out, len(files) // 3, *kills) as killed:
            row = separate(files, out, seconds, scheduler=cluster.address)
        return {**row, "kills": len(killed), "restarts": int(written(out) >= len(files) // 2)}
    finally:
        cluster.close()
        thread.join()


def measured(n_recordings: int, n_corrupt: int, kills: tuple[int, float], seconds: float, cluster: bool) -> list[Row]:
    """A row for each way; ``kills``: how many, and seconds between two."""
    with tempfile.TemporaryDirectory(prefix="stradiff-load-") as name:
        folder = Path(name)
        files = make_files(folder / "files", n_recordings, n_corrupt)
        rows = [{"how": ALONE, **separate(files, folder / "alone", 0.0), "kills": 0, "restarts": 0}]
        out = folder / "workers"
        with killer(out, 2 * n_recordings // 3, *kills) as killed:
            row = separate(files, out, seconds, n_jobs=2)
        rows.append({"how": WORKERS, **row, "kills": len(killed), "restarts": 0})
        if cluster:
            rows.append({"how": CLUSTER, **on_cluster(files, folder / "cluster", seconds, kills)})
    for row in rows:
        row["same bits"] = row["digests"] == rows[0]["digests"]
    return rows


def table(rows: list[Row]) -> str:
    """The rows as Markdown, a column for each way."""
    lines: dict[str, Callable[[Row], object]] = {
        "": lambda row: row["how"],
        "---": lambda row: "---",
        "recordings": lambda row: len(row["begun"]),
        "workers killed": lambda row: row["kills"],
        "scheduler restarted": lambda row: row["restarts"],
        "separated": lambda row: len(row["digests"]),
        "corrupt, and said so": lambda row: sum("ReadError" in error for error in row["errors"].values()),
        "lost": lambda row: len(row["begun"]) - len(row["digests"]) - len(row["errors"]),
        "begun again": lambda row: sum(times - 1 for times in row["begun"].values()),
        "written twice": lambda row: sum(times > 1 for times in row["written"].values()),
        "outcomes in order": lambda row: "yes" if row["in order"] else "no",
        "bits of the first column": lambda row: "yes" if row["same bits"] else "no",
        "unfinished files left": lambda row: len(row["left over"]),
        "seconds": lambda row: f"{row['seconds']:.0f}",
    }
    return "\n".join(f"| {' | '.join([name, *(str(of(row)) for row in rows)])} |" for name, of in lines.items())


def up_to_date(page: str, rows: list[Row]) -> str:
    """The page with the table."""
    return filled(page, "measured", lambda _: table(rows))


def main() -> None:
    """Measure, or print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", help="the table of the stored results")
    if not parser.parse_args().print:
        rows = measured(40, 6, kills=(8, 6.0), seconds=0.2, cluster=True)
        machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.system()}
        (RESULTS / "load.json").write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")
    rows = json.loads((RESULTS / "load.json").read_text())["rows"]
    (RESULTS / "load.md").write_text(table(rows) + "\n")
    PAGE.write_text(up_to_date(PAGE.read_text(), rows))
    print(table(rows))


if __name__ == "__main__":
    main()
