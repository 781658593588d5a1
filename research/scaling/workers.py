"""Many recordings on a cluster of this machine: one worker, two, and two of which one is killed on the way."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from scaling.one_process import Row
from stradiff import StrADiff, fit_many, simulate
from stradiff.config import Training
from stradiff.data import Recording
from stradiff.jobs.processes import THREADS
from stradiff.jobs.runner import MANIFEST
from stradiff.jobs.tasks import Outcome

LIMIT = 3600.0
ONE, TWO, KILLED = "one worker", "two workers", "two, one of them killed"
T, N_SOURCES = 500, 3


def cases(quick: bool) -> list[Row]:
    """Clusters that differ in nothing but their workers."""
    size = {"recordings": 6, "epochs": 100} if quick else {"recordings": 40, "epochs": 500}
    return [{"cluster": name, **size} for name in (ONE, TWO, KILLED)]


def measured(case: Row) -> Row:
    """Seconds from the call to the last outcome, once every worker has compiled; and a digest of every answer."""
    import dask
    from distributed import Client, LocalCluster

    recordings = {f"recording {k:02}": recording(k) for k in range(case["recordings"])}
    n_workers = 1 if case["cluster"] == ONE else 2
    options = {"n_workers": n_workers, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # a killed worker is no news here
    with (
        tempfile.TemporaryDirectory(prefix="stradiff-scale-") as folder,
        dask.config.set({"distributed.nanny.pre-spawn-environ": THREADS}),
        LocalCluster(**options) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(n_workers)
        client.run(warm_up, estimator(case))
        pids = list(client.run(os.getpid).values())
        killer = _kill_when_half_done(Path(folder), pids[0], case) if case["cluster"] == KILLED else None
        before, began = _processor(client), time.perf_counter()
        outcomes = fit_many(recordings, estimator(case), folder, scheduler=cluster.scheduler_address, verbose=False)
        seconds = time.perf_counter() - began
        if killer is not None:
            killer.join()
        processor = {} if killer else {who: after - before[who] for who, after in _processor(client).items()}
        return {"seconds": seconds, **_summary(outcomes), "processor": processor, "killed": killer is not None}


def recording(seed: int) -> Recording:
    """One of the recordings."""
    return simulate("linear", n_samples=T, seed=seed).recording


def estimator(case: Row) -> StrADiff:
    """The same number of epochs for all, so that no recording waits for a slow one."""
    return StrADiff(N_SOURCES, training=Training(max_epochs=case["epochs"], tol=0.0), random_state=0, verbose=False)


def warm_up(model: StrADiff) -> None:
    """Compile all that a recording needs, in the process of a worker."""
    model.set_params(training__max_epochs=2).fit(recording(1000).values)


def _processor(client: Any) -> dict[str, float]:
    """Processor seconds until now of all workers together, and of this process: scheduler and client."""
    return {"workers": sum(client.run(time.process_time).values()), "here": time.process_time()}


def _summary(outcomes: list[Outcome]) -> dict[str, Any]:
    """How many are there, what went wrong, the work of each, and a digest of the answers."""
    finished = [outcome for outcome in outcomes if outcome.error is None and outcome.path.exists()]
    return {
        "done": len(finished),
        "errors": [outcome.error for outcome in outcomes if outcome.error],
        "work": [outcome.seconds for outcome in outcomes],
        "digests": [hashlib.sha256(StrADiff.load(one.path).sources_.tobytes()).hexdigest() for one in finished],
    }


def _kill_when_half_done(folder: Path, pid: int, case: Row) -> threading.Thread:
    """Kill a worker in the middle of the work."""

    def wait() -> None:
        while _n_done(folder) < case["recordings"] // 2:
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def _n_done(folder: Path) -> int:
    path = folder / MANIFEST
    return len(json.loads(path.read_text())) if path.exists() else 0
