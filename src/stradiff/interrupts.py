"""Ctrl-C during work that must not be lost, where Python drops the exception, and signals that end a run as it does."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

RESEND_DELAY = 0.02  # seconds after which a dropped Ctrl-C is sent again


@contextmanager
def ending_like_ctrl_c(numbers: Iterable[int]) -> Iterator[list[int]]:
    """Context in which signals do what Ctrl-C does at that moment; yields the list of those that came.

    One that the program was started to ignore, as ``nohup`` does with SIGHUP, stays ignored.
    """
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        received.append(number)
        as_ctrl_c = signal.getsignal(signal.SIGINT)
        if callable(as_ctrl_c):
            as_ctrl_c(signal.SIGINT, frame)

    before = {number: signal.getsignal(number) for number in numbers}
    handled = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in handled:
        signal.signal(number, handle)
    try:
        yield received
    finally:
        for number in handled:
            signal.signal(number, before[number])


@contextmanager
def resend_dropped_interrupts(before_resend: Callable[[], None] | None = None) -> Iterator[None]:
    """Context in which a KeyboardInterrupt that Python drops is raised again a moment later.

    JAX runs code during garbage collection; Python prints an exception raised there and continues.
    """
    original_hook = sys.unraisablehook

    def hook(dropped: Any) -> None:
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            original_hook(dropped)
            return
        if before_resend is not None:
            before_resend()
        threading.Timer(RESEND_DELAY, _thread.interrupt_main).start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = original_hook


class DeferredInterrupts:
    """Context that one Ctrl-C may interrupt; all further ones are deferred to its end.

    >>> with DeferredInterrupts() as interrupts:
    ...     try:
    ...         pass  # the first KeyboardInterrupt is raised here
    ...     except KeyboardInterrupt:
    ...         pass
    ...     interrupts.defer()  # from here on the first one is deferred as well

    A deferred one is raised as KeyboardInterrupt at the end. Without effect outside the main thread, where Python
    raises none, and where the program has its own handler of SIGINT.
    """

    def __init__(self) -> None:
        self._deferring, self._pending, self._installed = False, False, False
        self._contexts = ExitStack()

    def __enter__(self) -> DeferredInterrupts:
        if threading.current_thread() is threading.main_thread():
            self._installed = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._installed:
            self._contexts.enter_context(resend_dropped_interrupts(self._accept_next))
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self._contexts.close()
        if self._pending:
            raise KeyboardInterrupt

    def defer(self) -> None:
        """Defer every Ctrl-C from now to the end of the block."""
        self._deferring = True

    def _accept_next(self) -> None:
        self._deferring = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._deferring:
            self._pending = True
            return
        self._deferring = True
        signal.default_int_handler(number, frame)
