"""Training runs side by side, each in a thread of its own: compiled epochs need no Python, so threads suffice."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Event, Lock
from typing import Any, TypeVar

import jax
from joblib import cpu_count

from stradiff.model.numerics import numerics
from stradiff.train.callbacks import Callback, Report

THREADS = "OMP_NUM_THREADS"  # which other thread pools obey; workers of a cluster have it at 1
POLL_SECONDS = 0.2  # after which a Ctrl-C is noticed

Result = TypeVar("Result")


def usable_cores() -> int:
    """How many runs may compute at once: the cores that this process may use, or fewer by ``OMP_NUM_THREADS``."""
    asked = os.environ.get(THREADS, "")
    return min(cpu_count(), int(asked)) if asked.isdigit() and int(asked) > 0 else int(cpu_count())


class ThreadPool:
    """Runs side by side, ``at_once`` of them at most and no more than there are cores; a stop of one stops all.

    ``watch`` is called with the epochs of all runs together, ``callbacks`` with those of each.
    """

    def __init__(self, n_runs: int, at_once: int | None, watch: Callback, callbacks: Sequence[Callback]) -> None:
        self._n_runs, self._at_once = n_runs, min(at_once or n_runs, usable_cores())
        self._watch, self._callbacks = watch, callbacks
        self._began, self._stop, self._lock = Event(), Event(), Lock()
        self._epochs = [0] * n_runs
        self._jax = (jax.config.jax_default_device, jax.config.jax_default_prng_impl)  # type: ignore[attr-defined]
        self.stopped = False

    def run(self, one: Callable[[int, Sequence[Callback]], Result]) -> dict[int, Result]:
        """``one(number, callbacks)`` of every number from 0; of those that began, where it was stopped."""
        with ThreadPoolExecutor(self._at_once) as pool:
            try:
                # The first compiles; the others begin once they need not.
                futures = {0: pool.submit(self._run_one, one, 0)}
                while not (self._began.wait(POLL_SECONDS) or futures[0].done()):
                    pass
                futures |= {number: pool.submit(self._run_one, one, number) for number in range(1, self._n_runs)}
                self._wait(list(futures.values()))
            except KeyboardInterrupt:
                self.stop()
            finally:
                self._stop.set()
        results = {number: future.result() for number, future in futures.items()}
        return {number: result for number, result in results.items() if result is not None}

    def stop(self) -> None:
        """End all runs, each after its present chunk of epochs."""
        self.stopped = True
        self._stop.set()

    def _wait(self, pending: Sequence[Future[Any]]) -> None:
        """Until all are done, or one failed; never so long that Ctrl-C would have to wait."""
        while pending:
            done, rest = wait(pending, POLL_SECONDS, FIRST_COMPLETED)
            if any(future.exception() for future in done):
                return
            pending = list(rest)

    def _run_one(self, one: Callable[[int, Sequence[Callback]], Result], number: int) -> Result | None:
        if self._stop.is_set() and number:
            return None

        def look(report: Report) -> bool:
            with self._lock:
                self._epochs[number] = report.epoch
                self._watch(dataclasses.replace(report, epoch=sum(self._epochs)))
                stops = [bool(callback(report)) for callback in self._callbacks]
            self._began.set()
            return any(stops) or self._stop.is_set()

        with numerics(), _configured(self._jax):
            return one(number, [look])


@contextmanager
def _configured(chosen: tuple[Any, str]) -> Iterator[None]:
    """The caller's device and generator: a ``with`` configures JAX for one thread alone."""
    with jax.default_device(chosen[0]), jax.default_prng_impl(chosen[1]):
        yield
