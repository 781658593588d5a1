"""Several fits beside each other, each in a thread of its own: compiled epochs need no Python, so threads suffice."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Event, Lock
from typing import Any

import jax
from joblib import cpu_count

from stradiff.model.numerics import numerics
from stradiff.train.callbacks import Callback, Report
from stradiff.train.training import Training

THREADS = "OMP_NUM_THREADS"  # what everybody else's thread pools listen to; workers of a cluster have it at 1
LOOK_SECONDS = 0.2  # between two looks whether somebody wants to stop


def usable_cores() -> int:
    """How many fits may compute at once: the cores that this process may use, or fewer if ``OMP_NUM_THREADS`` says."""
    asked = os.environ.get(THREADS, "")
    return min(cpu_count(), int(asked)) if asked.isdigit() and int(asked) > 0 else int(cpu_count())


class ThreadPool:
    """``n_fits`` fits, ``at_once`` of them beside each other; a stop of one is a stop of all.

    ``watch`` hears of the epochs of all together; ``callbacks`` hear of each fit.
    """

    def __init__(self, n_fits: int, at_once: int, watch: Callback, callbacks: Sequence[Callback]) -> None:
        self._n_fits, self._at_once = n_fits, at_once
        self._watch, self._callbacks = watch, callbacks
        self._began, self._stop, self._lock = Event(), Event(), Lock()
        self._epochs = [0] * n_fits
        self._jax = (jax.config.jax_default_device, jax.config.jax_default_prng_impl)  # type: ignore[attr-defined]
        self.stopped = False

    def run(self, one: Callable[[int, Sequence[Callback]], Training]) -> dict[int, Training]:
        """What ``one(number, callbacks)`` makes of every number from 0; of those that began, where it was stopped."""
        with ThreadPoolExecutor(self._at_once) as pool:
            try:
                # The first compiles; the others begin once they need not.
                futures = {0: pool.submit(self._alone, one, 0)}
                while not (self._began.wait(LOOK_SECONDS) or futures[0].done()):
                    pass
                futures |= {number: pool.submit(self._alone, one, number) for number in range(1, self._n_fits)}
                self._wait(list(futures.values()))
            except KeyboardInterrupt:
                self.stopped = True
            finally:
                self._stop.set()
        return {number: found for number, future in futures.items() if (found := future.result()) is not None}

    def _wait(self, pending: Sequence[Future[Training | None]]) -> None:
        """Until all are done, or one failed; never so long that Ctrl-C would not be heard."""
        while pending:
            done, rest = wait(pending, LOOK_SECONDS, FIRST_COMPLETED)
            if any(future.exception() for future in done):
                return
            pending = list(rest)

    def _alone(self, one: Callable[[int, Sequence[Callback]], Training], number: int) -> Training | None:
        if self._stop.is_set() and number:
            return None

        def look(report: Report) -> bool:
            with self._lock:
                self._epochs[number] = report.epoch
                self._watch(dataclasses.replace(report, epoch=sum(self._epochs)))
                wishes = [bool(callback(report)) for callback in self._callbacks]
            self._began.set()
            return any(wishes) or self._stop.is_set()

        with numerics(), _as_in(self._jax):
            found = one(number, [look])
        if found.interrupted:
            self.stopped = True
            self._stop.set()
        return found


@contextmanager
def _as_in(chosen: tuple[Any, str]) -> Iterator[None]:
    """The device and the generator that the caller chose: what a ``with`` says to JAX holds for one thread alone."""
    with jax.default_device(chosen[0]), jax.default_prng_impl(chosen[1]):
        yield
