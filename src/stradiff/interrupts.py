"""Ctrl-C while something is written that must not be lost, and where Python would lose it."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

AGAIN = 0.02  # seconds after which a Ctrl-C that was lost is sent again


@contextmanager
def resend_dropped_interrupts(before_again: Callable[[], None] | None = None) -> Iterator[None]:
    """Around what Ctrl-C may end: one that hits where Python drops exceptions is heard a moment later.

    Python calls JAX whenever it collects garbage, and from there no exception comes back: it is printed, and the
    program goes on as if nothing had been.
    """
    others = sys.unraisablehook

    def hook(lost: Any) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            others(lost)
            return
        if before_again is not None:
            before_again()
        threading.Timer(AGAIN, _thread.interrupt_main).start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = others


class DeferredInterrupts:
    """Around work that one Ctrl-C may cut short: whatever comes after it waits until the block is done.

    >>> with DeferredInterrupts() as interrupts:
    ...     try:
    ...         pass  # a KeyboardInterrupt is raised here, and no second one
    ...     except KeyboardInterrupt:
    ...         pass
    ...     interrupts.defer()  # from here on the first one waits as well

    One that waited is raised as KeyboardInterrupt at the end. Nothing changes outside the main thread, where Python
    raises none, or where the program deals with Ctrl-C in a way of its own.
    """

    def __init__(self) -> None:
        self._waits, self._pending, self._installed = False, False, False
        self._around = ExitStack()

    def __enter__(self) -> DeferredInterrupts:
        if threading.current_thread() is threading.main_thread():
            self._installed = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._installed:
            self._around.enter_context(resend_dropped_interrupts(self._not_heard))
            signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self._around.close()
        if self._pending:
            raise KeyboardInterrupt

    def wait(self) -> None:
        """From now on, no Ctrl-C is heard before the block is done."""
        self._waits = True

    def _not_heard(self) -> None:
        self._waits = False

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._waits:
            self._pending = True
            return
        self._waits = True
        signal.default_int_handler(number, frame)
