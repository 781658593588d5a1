"""Fuzzing: whatever a file holds, reading it gives a result or one sentence of ours, soon and in little memory.

    make fuzz                                      # ten minutes on one core; goes on where the last run ended
    make fuzz FUZZ_SECONDS=3600 FUZZ_ARGS="--kinds csv npz --seed 1"
    python research/fuzz.py --again csv 17         # one input again, with the whole traceback

Good files of every kind that the package reads (recordings as CSV, TSV, NPY, NPZ and WAV, saved fits, checkpoints,
configurations) are damaged: bytes anywhere, and the fields of each format, with right checksums where these would hide
the rest. Each input follows from the seed, its kind and its number. They are read one after the other in a process with
limits of memory and of time for each input. A failure is any exception but our own, a message that is long or holds
control characters, and a limit exceeded; its input is kept in the folder of ``--failures``. What was tried is kept in
``research/results/fuzz.json`` and ``fuzz.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from random import Random
from typing import Any

from fuzzing.damage import damaged
from fuzzing.targets import TARGETS

from stradiff.errors import InsufficientMemoryError, SeparationWarning, StrADiffError

ROOT = Path(__file__).parents[1]
MEGABYTES = 300  # above what the process has when it starts to read
SECONDS = 5.0  # for one input
LONGEST_MESSAGE = 600  # beside the path
SHARED_MEMORY = Path("/dev/shm")
FOLDER = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None  # files that are read a thousand times a second
COUNTS = ("inputs", "read", "refused", "failures")


def randomness(seed: int, kind: str, number: int) -> Random:
    return Random(f"{seed} {kind} {number}")


def problem(kind: str, read: Any, path: Path, random: Random) -> str:
    """``read`` or ``refused`` as it should be; anything else says what went wrong."""
    try:
        read(path, random)
    except StrADiffError as error:
        message = str(error).replace(str(path), "PATH")
        if isinstance(error, InsufficientMemoryError) and error.__cause__ is not None:
            return "out of memory"
        if len(message) > LONGEST_MESSAGE or not message.isprintable():
            return f"message: {message[:200]!r} ({len(message)} characters)"
        return "refused"
    except MemoryError:
        return "out of memory"
    except Exception as error:
        trace, place = error.__traceback__, ""
        while trace is not None:
            file = Path(trace.tb_frame.f_code.co_filename)
            place = f"{file.name}:{trace.tb_lineno}" if "stradiff" in file.parts else place
            trace = trace.tb_next
        return f"{type(error).__name__} at {place}: {str(error)[:200]!r}"
    return "read"


def work(kind: str, seed: int, first: int, until: float, folder: Path) -> None:
    """Read inputs from number ``first`` on; a line of JSON for every failure, and for the sums."""
    target = TARGETS[kind]
    good, read, path = target.good(), target.reader(), folder / f"input{target.suffix}"
    found = set()
    for number, content in enumerate(10 * list(good)):  # with several options each
        path.write_bytes(content)
        found.add(problem(kind, read, path, Random(number)))  # loads and compiles what is needed
    if "read" not in found:
        raise SystemExit(f"No good file of the kind {kind} is read: {found}")
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + MEGABYTES * 2**20,) * 2)
    progress = os.open(folder / "number", os.O_CREAT | os.O_WRONLY)
    sums, number = dict.fromkeys(COUNTS, 0), first
    while time.time() < until:
        random = randomness(seed, kind, number)
        path.write_bytes(damaged(random, good, target.damage))
        os.pwrite(progress, number.to_bytes(8, "little"), 0)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)  # its signal ends the process
        found = problem(kind, read, path, random)
        signal.setitimer(signal.ITIMER_REAL, 0)
        number += 1
        sums["inputs"] += 1
        sums[found if found in sums else "failures"] += 1
        if found not in sums:
            print(json.dumps({"number": number - 1, "problem": found}), flush=True)
        if number % 100 == 0:
            print(json.dumps(sums), flush=True)
            sums = dict.fromkeys(COUNTS, 0)
    print(json.dumps(sums), flush=True)


def supervise(kind: str, results: dict[str, Any], seconds: float, arguments: argparse.Namespace) -> None:
    """Have a kind fuzzed for some time, by a new process after each that ended before."""
    row = results["kinds"].setdefault(kind, {**dict.fromkeys(COUNTS, 0), "seconds": 0.0, "problems": {}})
    began = time.time()
    while time.time() < began + seconds:
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
            numbers = [str(arguments.seed), str(row["inputs"]), str(began + seconds)]
            command = [sys.executable, __file__, "--work", kind, *numbers, folder]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            assert process.stdout is not None
            for line in process.stdout:
                said = json.loads(line)
                if "problem" in said:
                    keep(kind, said["number"], said["problem"], row, arguments)
                else:
                    for name in COUNTS:
                        row[name] += said[name]
            if process.wait():
                at = Path(folder) / "number"
                if not at.exists():
                    raise SystemExit(f"Fuzzing {kind} did not start.")
                number = int.from_bytes(at.read_bytes(), "little")
                slow = process.returncode == -signal.SIGALRM
                keep(
                    kind,
                    number,
                    f"more than {SECONDS:g} s" if slow else f"exit code {process.returncode}",
                    row,
                    arguments,
                )
                row["failures"] += 1
                row["inputs"] = number + 1
    row["seconds"] = round(row["seconds"] + time.time() - began, 1)


def keep(kind: str, number: int, what: str, row: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Count a problem, and keep the first inputs that show it."""
    seen = row["problems"].setdefault(what, {"times": 0, "inputs": []})
    seen["times"] += 1
    if len(seen["inputs"]) < 3:
        seen["inputs"].append(number)
        arguments.failures.mkdir(parents=True, exist_ok=True)
        content, target = content_of(kind, arguments.seed, number), TARGETS[kind]
        (arguments.failures / f"{kind}-{arguments.seed}-{number}{target.suffix}").write_bytes(content)
        print(f"{kind} {number}: {what}", flush=True)


def content_of(kind: str, seed: int, number: int) -> bytes:
    return damaged(randomness(seed, kind, number), TARGETS[kind].good(), TARGETS[kind].damage)


def table(results: dict[str, Any]) -> str:
    """Markdown: a line for each kind of file."""
    lines = ["| kind | inputs | read | refused with a sentence | failures | seconds |", "|" + "---|" * 6]
    for kind, row in results["kinds"].items():
        counts = " | ".join(f"{row[name]:,}" for name in COUNTS)
        lines.append(f"| {kind} | {counts} | {row['seconds']:,.0f} |")
    problems = [(kind, *one) for kind, row in results["kinds"].items() for one in row["problems"].items()]
    lines += ["", *(f"- {kind}, {seen['times']} times: {what}" for kind, what, seen in problems)] if problems else []
    return "\n".join(lines)


def again(kind: str, seed: int, number: int) -> None:
    """Read one input, with whatever comes of it."""
    target, random = TARGETS[kind], randomness(seed, kind, number)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"input{target.suffix}"
        path.write_bytes(content := damaged(random, target.good(), target.damage))
        print(content[:1000])
        print(target.reader()(path, random))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="for all kinds together")
    parser.add_argument("--kinds", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=ROOT / "research" / "results" / "fuzz.json")
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"), help="folder for inputs that fail")
    parser.add_argument("--again", nargs=2, metavar=("KIND", "NUMBER"), help="read one input again")
    parser.add_argument("--work", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", SeparationWarning)
        kind, seed, first, until, folder = arguments.work
        return work(kind, int(seed), int(first), float(until), Path(folder))
    if arguments.again:
        return again(arguments.again[0], arguments.seed, int(arguments.again[1]))
    results: dict[str, Any] = json.loads(arguments.results.read_text()) if arguments.results.exists() else {}
    if results.setdefault("seed", arguments.seed) != arguments.seed:
        raise SystemExit(
            f"{arguments.results} has seed {results['seed']}: give --seed {results['seed']}, or --results."
        )
    results.setdefault("kinds", {})
    whole = sum(TARGETS[kind].share for kind in arguments.kinds)
    for kind in arguments.kinds:
        supervise(kind, results, arguments.seconds * TARGETS[kind].share / whole, arguments)
        arguments.results.write_text(json.dumps(results, indent=1) + "\n")
        arguments.results.with_suffix(".md").write_text(f"# What became of damaged files\n\n{table(results)}\n")
    print(table(results))
    sys.exit(any(row["failures"] for row in results["kinds"].values()))


if __name__ == "__main__":
    main()
