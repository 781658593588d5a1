"""The same epoch computed in three ways, in turn: A, B, C, A, B, C, .. so that what else the machine does meets all."""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from typing import Any

TRANSCRIPTION, PLAIN, LIBRARY = "PyTorch, as the paper is written", "JAX, without the optimisations", "StrADiff"
MODULES = {TRANSCRIPTION: "timing.transcription", PLAIN: "timing.plain", LIBRARY: "timing.library"}
EPOCHS = {TRANSCRIPTION: 12, PLAIN: 8, LIBRARY: 500}  # of a round: some seconds each on two cores
WARM_UP = {TRANSCRIPTION: 2, PLAIN: 1, LIBRARY: 100}
HOW_TO_INSTALL = "The transcription needs PyTorch: install it with `pip install '.[research]'`, or leave out `epochs`."

Asking = Callable[[int], float]


def check_installed() -> None:
    """A sentence instead of a traceback where PyTorch is missing."""
    if importlib.util.find_spec("torch") is None:
        raise SystemExit(HOW_TO_INSTALL)


def rounds(problem: str, n_rounds: int, share: float = 1.0) -> Iterator[dict[str, Any]]:
    """One row a round: seconds of an epoch by implementation, each after the other; ``share`` of the usual epochs."""
    epochs = {name: max(1, round(share * count)) for name, count in EPOCHS.items()}
    with ExitStack() as stack:
        workers = {name: stack.enter_context(worker(module, problem)) for name, module in MODULES.items()}
        for name, ask in workers.items():
            ask(WARM_UP[name])
        for _ in range(n_rounds):
            seconds = {name: ask(epochs[name]) / epochs[name] for name, ask in workers.items()}
            yield {"problem": problem, "epochs": epochs, "seconds": seconds}


@contextmanager
def worker(module: str, problem: str) -> Iterator[Asking]:
    """A process of its own for one implementation: libraries then share neither threads nor settings."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, module, problem), daemon=True)
    process.start()
    theirs.close()
    try:
        yield lambda n_epochs: _answer(ours, n_epochs, module)
    finally:
        ours.close()
        process.join(timeout=10)
        process.kill()


def _answer(connection: Connection, n_epochs: int, module: str) -> float:
    connection.send(n_epochs)
    try:
        return connection.recv()
    except EOFError as error:
        raise RuntimeError(f"the process of {module} ended; what it wrote is above") from error


def _serve(connection: Connection, module: str, problem: str) -> None:
    seconds_of = importlib.import_module(module).prepare(problem)
    while True:
        try:
            n_epochs = connection.recv()
        except EOFError:
            return
        try:
            connection.send(seconds_of(n_epochs))
        except Exception:
            traceback.print_exc()
            return
