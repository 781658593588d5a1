"""Many measurements: each in a process of its own, some side by side, every result kept as soon as it is there."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
import traceback
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from contest.problems import Problem

Row = dict[str, Any]
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")}
# What every process imports. It is done once, before they part: a row then measures the method and not Python's start.
PRELOAD = ["contest.scores", "contest.peers", "stradiff.estimator", "picard"]


@dataclass(frozen=True)
class Task:
    """One row to come."""

    problem: Problem
    method: str
    seed: int

    @property
    def key(self) -> tuple[str, str, int]:
        return self.problem.name, self.method, self.seed


def read(path: Path) -> list[Row]:
    """The rows measured so far."""
    return json.loads(path.read_text()) if path.exists() else []


def write(rows: list[Row], path: Path) -> None:
    """A line per row; whole or not at all, so that a run can be stopped at any moment."""
    lines = ",\n".join(
        json.dumps(row) for row in sorted(rows, key=lambda row: (row["problem"], row["method"], row["seed"]))
    )
    draft = path.with_suffix(".part")
    draft.write_text(f"[\n{lines}\n]\n" if rows else "[]\n")
    os.replace(draft, path)


def run(tasks: Iterable[Task], rows: list[Row], path: Path, *, jobs: int, limit: float, real: Path) -> None:
    """Add the rows of ``tasks`` to ``rows`` and to the file; one that fails leaves its error instead.

    ``limit`` is in seconds of wall-clock time; a task that takes longer is ended.
    """
    os.environ.update(ONE_THREAD)  # inherited: times then mean the same whatever the number of jobs
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    waiting, running = deque(tasks), dict[Connection, tuple[Task, BaseProcess, float]]()
    done, total = 0, len(waiting)
    while waiting or running:
        while waiting and len(running) < jobs:
            task = waiting.popleft()
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(sender, task, real), daemon=True)
            process.start()
            sender.close()  # the other end is the only one left: its death is noticed
            running[receiver] = task, process, time.monotonic()
        for receiver in [*wait(list(running), timeout=1), *_overdue(running, limit)]:
            if receiver not in running:
                continue
            task, process, _ = running.pop(receiver)
            row = _result(receiver, task, process, limit)
            done += 1
            rows.append(row)
            write(rows, path)
            print(f"{done}/{total}", _short(row), flush=True)


def run_here(tasks: Sequence[Task], rows: list[Row], path: Path, *, real: Path, kept_every: int = 100) -> None:
    """As ``run``, but in this process, with neither a limit nor a measure of memory: for methods of milliseconds."""
    for done, task in enumerate(tasks, start=1):
        rows.append(_measured(task, real) | {"peak_mb": None})
        if done % kept_every == 0 or done == len(tasks):
            write(rows, path)
            print(f"{done}/{len(tasks)}", flush=True)


def _work(sender: Connection, task: Task, real: Path) -> None:
    sender.send(_measured(task, real))


def _measured(task: Task, real: Path) -> Row:
    from contest.scores import measure

    try:
        return measure(task.problem, task.method, task.seed, real)
    except Exception as error:
        traceback.print_exc()
        return _failed(task, f"{type(error).__name__}: {error}")


def _overdue(running: dict[Connection, tuple[Task, BaseProcess, float]], limit: float) -> list[Connection]:
    return [receiver for receiver, (_, _, began) in running.items() if time.monotonic() - began > limit]


def _result(receiver: Connection, task: Task, process: BaseProcess, limit: float) -> Row:
    try:
        row = receiver.recv() if receiver.poll() else _failed(task, f"took longer than {limit:g} s")
    except EOFError:
        process.join()
        row = _failed(task, f"the process ended with code {process.exitcode}")
    process.kill()
    process.join()
    receiver.close()
    return row


def _failed(task: Task, error: str) -> Row:
    problem, method, seed = task.key
    return {"problem": problem, "method": method, "seed": seed, "error": error}


def _short(row: Row) -> str:
    label = f"{row['problem']} {row['seed']} {row['method']}:"
    if "error" in row:
        return f"{label} {row['error']}"
    return f"{label} {' '.join(f'{r:.4f}' for r in row['pearson'])}  {row['seconds']:.1f} s  {row['peak_mb']:.0f} MB"
