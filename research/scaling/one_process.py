"""One case of one part in a process that has done nothing before: run by ``fresh`` as a script, prints JSON last.

python one_process.py PART CASE
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

Row = dict[str, Any]
JAX_CACHE = "JAX_COMPILATION_CACHE_DIR"  # would take the place of the folder given here


def fresh(part: str, case: Row, limit: float) -> Row:
    """What a new process measures of a case; after ``limit`` seconds it is stopped, and the row says so.

    Compiled programs are kept in a folder of its own: every case compiles, and its workers do so once.
    """
    with tempfile.TemporaryDirectory(prefix="stradiff-scale-") as cache:
        environment = {name: value for name, value in os.environ.items() if name != JAX_CACHE}
        environment["STRADIFF_CACHE"] = cache
        command = [sys.executable, str(Path(__file__)), part, json.dumps(case)]
        try:
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            return {"case": case, "stopped": limit}
    if done.returncode:
        # What runs out of memory is killed: a result as well, and no reason to lose those that follow.
        return {"case": case, "failed": done.returncode}
    return {"case": case, **json.loads(done.stdout.splitlines()[-1])}


def main(part: str, case: str) -> None:
    """Measure, and print what was found."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    print(json.dumps(importlib.import_module(f"scaling.{part}").measured(json.loads(case))))


if __name__ == "__main__":
    main(*sys.argv[1:])
