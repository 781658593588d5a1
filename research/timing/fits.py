"""Whole fits of the default preset: how soon they begin, how soon they are good, how soon they are done.

Three situations, two processes: nothing was ever compiled; the same again in the same process; and in a new process
that finds the compiled programs on disk. All compute the same epochs of the same fit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

SITUATIONS = ("first fit on a machine", "again in the same process", "in a new process")
NEAR = 0.005  # of the matched correlation at the end
JAX_CACHE = "JAX_COMPILATION_CACHE_DIR"  # would take the place of the folder given here

Row = dict[str, Any]


def fits(problem: str, max_epochs: int | None = None) -> list[Row]:
    """One row for each situation."""
    with tempfile.TemporaryDirectory(prefix="stradiff-speed-") as cache:
        first, again = fresh_process(cache, problem, 2, max_epochs)
        kept = sum(path.is_file() for path in Path(cache).rglob("*"))
        (later,) = fresh_process(cache, problem, 1, max_epochs)
    rows = zip(SITUATIONS, (first, again, later), strict=True)
    return [{"problem": problem, "situation": situation, "files_kept": kept, **row} for situation, row in rows]


def fresh_process(cache: str, problem: str, n_fits: int, max_epochs: int | None = None) -> list[Row]:
    """Fits in a new process that keeps its compiled programs in ``cache``."""
    environment = {name: value for name, value in os.environ.items() if name != JAX_CACHE}
    words = [problem, str(n_fits), *([] if max_epochs is None else [str(max_epochs)])]
    command = [sys.executable, str(Path(__file__).with_name("one_process.py")), *words]
    environment["STRADIFF_CACHE"] = cache
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def good_from(row: Row) -> tuple[int, float]:
    """Epoch and seconds of the first look from which on the correlation stays within NEAR of that of the last."""
    epochs, seconds, mcc = np.array(row["looks"]).T
    far = np.flatnonzero(np.abs(mcc - mcc[-1]) > NEAR)
    first = far[-1] + 1 if len(far) else 0
    return int(epochs[first]), float(seconds[first])


def per_epoch(row: Row) -> float:
    """Seconds of an epoch once training runs: the median over looks."""
    epochs, seconds, _ = np.array(row["looks"]).T
    return float(np.median(np.diff(seconds) / np.diff(epochs)))


def begins(row: Row) -> float:
    """Seconds from the call of ``fit`` to the first epoch: the first look less the epochs before it."""
    epoch, seconds, _ = row["looks"][0]
    return seconds - epoch * per_epoch(row)
