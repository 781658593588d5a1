"""Mutation testing: how many small faults, put into the code one at a time, do the tests notice?

    pip install cosmic-ray
    python research/mutation.py                       # every module below, 20 mutants each (an hour on one core)
    python research/mutation.py --modules serialization.py --mutants 50
    python research/mutation.py --print

The mutants are cosmic-ray's (an operator replaced, a number changed, a decorator or a branch removed), drawn by a seed
from all of a module; it is mutated in a copy of the checkout, and the tests beside it are run. Those of annotations,
which no test can see, are left out. Results are kept in ``research/results/mutation.json`` and ``mutation.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "research" / "results" / "mutation.json"
MODULES = {
    "serialization.py": "tests/test_serialization.py",
    "files.py": "tests/test_files.py tests/test_faults.py",
    "train/checkpoint.py": "tests/train/test_checkpoint.py",
    "model/priors/levinson.py": "tests/model/test_priors.py tests/model/test_prior_families.py",
    "model/priors/innovations.py": "tests/model/test_non_gaussian_priors.py",
    "model/priors/toeplitz.py": "tests/model/test_toeplitz.py",
    "posterior/readout.py": "tests/posterior/test_readout.py",
    "posterior/cross_talk.py": "tests/posterior/test_cross_talk.py",
    "posterior/covariance.py": "tests/posterior/test_laplace.py tests/posterior/test_covariance.py",
}
"""The tests that belong to a module."""
TIMEOUT = 300.0  # seconds for the tests of one mutant; one that takes longer is noticed
UNSEEN = "%BinaryOperator_BitOr_%"  # of annotations
Row = dict[str, Any]


def mutated(module: str, tests: str, n_mutants: int, seed: int) -> list[Row]:
    """Outcome of each mutant."""
    with tempfile.TemporaryDirectory() as folder:
        copy, session = Path(folder) / "copy", Path(folder) / "session.sqlite"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(copy)], check=True)
        shutil.copy(ROOT / "src" / "stradiff" / module, copy / "src" / "stradiff" / module)
        command = f"{sys.executable} -m pytest -q -x -p no:cacheprovider {tests}"
        options = Path(folder) / "options.toml"
        options.write_text(
            f'[cosmic-ray]\nmodule-path = "src/stradiff/{module}"\ntimeout = {TIMEOUT}\nexcluded-modules = []\n'
            f'test-command = "{command}"\n[cosmic-ray.distributor]\nname = "local"\n'
        )
        environment = os.environ | {"PYTHONPATH": str(copy / "src")}
        how: Row = {"cwd": copy, "check": True, "env": environment, "stdout": subprocess.DEVNULL}
        subprocess.run(command.split(), **how)  # without a fault the tests pass, and compiled programs are kept
        subprocess.run(["cosmic-ray", "init", str(options), str(session)], **how)
        _sample(session, n_mutants, seed)
        subprocess.run(["cosmic-ray", "exec", str(options), str(session)], **how)
        return _outcomes(session)


def _sample(session: Path, n_mutants: int, seed: int) -> None:
    """Leave so many mutants in a session, drawn from all."""
    with sqlite3.connect(session) as database:
        query = "select job_id from mutation_specs where operator_name not like ? order by start_pos_row, operator_name"
        jobs = [job for (job,) in database.execute(query, [UNSEEN])]
        kept = random.Random(seed).sample(jobs, min(n_mutants, len(jobs)))
        for table in ("mutation_specs", "work_items"):
            database.execute(f"delete from {table} where job_id not in ({','.join('?' * len(kept))})", kept)


def _outcomes(session: Path) -> list[Row]:
    query = (
        "select start_pos_row, operator_name, definition_name, test_outcome, worker_outcome, diff "
        "from mutation_specs join work_results using (job_id) order by start_pos_row"
    )
    with sqlite3.connect(session) as database:
        rows = database.execute(query).fetchall()
    return [
        {
            "line": line,
            "operator": operator.removeprefix("core/"),
            "function": function,
            "noticed": (test or "").upper() != "SURVIVED",
            "change": [one for one in (diff or "").splitlines() if one[:1] in "+-" and one[:3] not in ("+++", "---")],
        }
        for line, operator, function, test, _, diff in rows
    ]


def table(results: dict[str, list[Row]]) -> str:
    """Scores, and the mutants that no test noticed."""
    lines = ["| module | mutants | noticed |", "|---|---|---|"]
    total = [row for rows in results.values() for row in rows]
    for module, rows in [*results.items(), ("all", total)]:
        noticed = sum(row["noticed"] for row in rows)
        lines.append(f"| `{module}` | {len(rows)} | {noticed} ({noticed / max(1, len(rows)):.0%}) |")
    lines += ["", "Not noticed:", ""]
    for module, rows in results.items():
        for row in rows:
            if not row["noticed"]:
                change = " → ".join(f"`{one[1:].strip()}`" for one in row["change"])
                lines.append(f"- `{module}`, {row['function'] or 'module'}: {change}")
    return "\n".join(lines)


def main() -> None:
    """Run, keep and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modules", nargs="+", choices=MODULES, default=list(MODULES))
    parser.add_argument("--mutants", type=int, default=20, help="of each module")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--print", action="store_true", help="print what is kept, and run nothing")
    arguments = parser.parse_args()
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for module in [] if arguments.print else arguments.modules:
        rows = mutated(module, MODULES[module], arguments.mutants, arguments.seed)
        kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        kept[module] = rows
        kept = {name: kept[name] for name in MODULES if name in kept}
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        RESULTS.with_suffix(".md").write_text(f"# Faults that the tests notice\n\n{table(kept)}\n", encoding="utf-8")
        print(table({module: rows}), flush=True)
    if arguments.print:
        print(table(kept))


if __name__ == "__main__":
    main()
