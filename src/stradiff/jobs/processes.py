"""Worker processes on this machine, of one thread each.

A worker is a fresh Python: nothing is forked, and the script that called is not imported again. It hears its tasks
through a pipe that no other process can reach, and it ends with that pipe: with the call, or with the process that
made it, however that ends.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from queue import SimpleQueue

import cloudpickle

from stradiff.errors import OptionError
from stradiff.jobs.tasks import ADVICE, KILLED, Call, Result, Task, as_sentence, run_task

# One thread for each worker, XLA's pool (NPROC) among them: the other cores have workers of their own.
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")}
PROGRAM = "import sys; sys.path[:] = sys.argv[2:]; from stradiff.jobs.processes import serve; serve(int(sys.argv[1]))"
STDERR = 2
SPAWNED = "__mp_main__"  # the script, in a process that multiprocessing has spawned; no worker can import it
STARTS = 5  # in a row that may fail before there is one worker less
GRACE = 3.0  # seconds in which a worker that is no longer wanted removes its unfinished files
NOT_STARTED = f"No worker process lived long enough to begin, {ADVICE}"


def in_processes(calls: dict[str, Call], n_workers: int) -> Generator[Result, None, None]:
    """Of all calls, with the error ``KILLED`` where the worker was, and ``NOT_STARTED`` where none could be had."""
    waiting, workers, failed_starts = deque(calls.values()), list[_Worker](), 0
    try:
        while waiting or any(worker.task for worker in workers):
            n_busy = sum(worker.task is not None for worker in workers)
            workers += [_Worker() for _ in range(len(workers), min(n_workers, n_busy + len(waiting)))]
            if not workers:
                yield from ((name, NOT_STARTED, 0.0) for name, _, _ in waiting)
                return
            heard = wait([worker.pipe for worker in workers])
            for worker in [one for one in workers if one.pipe in heard]:
                try:
                    result = worker.hear()
                except (EOFError, OSError):  # its end of the pipe is closed: it was killed
                    workers.remove(worker)
                    _end([worker])
                    if worker.task is not None:
                        yield worker.task, KILLED, 0.0
                    elif not worker.started:
                        failed_starts += 1
                        n_workers -= failed_starts % STARTS == 0
                    continue
                failed_starts = 0
                if result is not None:
                    yield result
                if waiting:
                    worker.begin(*waiting.popleft())
    finally:
        _end(workers)


class _Worker:
    """A process that computes one task at a time."""

    def __init__(self) -> None:
        self.task: str | None = None
        """The name of the one it has."""
        self.started = False
        self.pipe, theirs = Pipe()
        command = [sys.executable, "-P", "-c", PROGRAM, str(theirs.fileno()), *sys.path]
        with theirs, _interrupts_blocked():
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=STDERR,  # the standard output is that of the process that waits
                pass_fds=[theirs.fileno()],
                env=_environment(),
            )

    def begin(self, name: str, task: Task, path: Path) -> None:
        """Send it a task."""
        self.task = name
        with suppress(OSError):  # it was killed meanwhile, as the end of the pipe tells
            self.pipe.send((name, _Packed.of(task), path))

    def hear(self) -> Result | None:
        """The result of its task, or None when it is ready for the first; EOFError or OSError where it was killed."""
        answer = self.pipe.recv()
        self.started, self.task = True, None
        if isinstance(answer, BaseException):
            raise answer
        result: Result | None = answer
        return result

    def end(self, until: float) -> None:
        """End it; by force where it lives longer than until then, or has nothing to remove."""
        if self.started:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0.0, until - time.monotonic()))
        self._process.kill()
        self._process.wait()


def _end(workers: Sequence[_Worker]) -> None:
    """End workers, which may remove their unfinished files first."""
    for worker in workers:
        worker.pipe.close()
    until = time.monotonic() + GRACE
    for worker in workers:
        worker.end(until)


def _environment() -> dict[str, str]:
    """Of a worker; where there is no safe cache folder, this process has said so, for all of them."""
    from stradiff.model.compiled import OFF, VARIABLE, cache_folder  # of which a worker itself needs nothing yet

    return {**os.environ, **THREADS, **({} if cache_folder() else {VARIABLE: OFF})}


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Ctrl-C waits; in processes that start meanwhile it stays blocked, which would end in a traceback of each."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass(frozen=True)
class _Packed:
    """A task as bytes, so that one that cannot be written or read fails alone, where it is run."""

    content: bytes
    refusal: str | None

    @classmethod
    def of(cls, task: Task) -> _Packed:
        """The task, or the reason why it cannot be sent."""
        try:
            if SPAWNED in sys.modules:
                cloudpickle.register_pickle_by_value(sys.modules[SPAWNED])
            return cls(cloudpickle.dumps(task), None)
        except Exception as error:  # of any kind, as what a user's object raises
            return cls(b"", as_sentence(error))

    def run(self, path: Path) -> None:
        """Run the task."""
        if self.refusal is not None:
            raise OptionError(f"A worker process cannot be sent this ({self.refusal}); use n_jobs=1.")
        pickle.loads(self.content).run(path)


def serve(handle: int) -> None:
    """Compute what comes through a pipe until it ends, in a process of its own."""
    pipe: Connection = Connection(handle)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is left to the process that waits
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # unfinished files are removed on the way
    calls: SimpleQueue[Call] = SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, calls), daemon=True).start()
    answer: Result | BaseException | None = None  # ready
    while True:
        with suppress(OSError):  # nobody listens any more: this process is about to end
            pipe.send(answer)
        try:
            answer = run_task(*calls.get())
        except KeyboardInterrupt as error:  # of a callback, which means to end them all
            answer = error


def _listen(pipe: Connection, calls: SimpleQueue[Call]) -> None:
    """Pass calls on; when the pipe ends, so does this process, whatever it computes."""
    with suppress(EOFError, OSError):
        while True:
            calls.put(pipe.recv())
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)  # it is deep in compiled code
