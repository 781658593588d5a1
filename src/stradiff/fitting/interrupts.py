"""Ctrl-C while something is written that must not be lost."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class OnlyTheFirst:
    """Around work that one Ctrl-C may cut short: whatever comes after it waits until the block is done.

    >>> with OnlyTheFirst() as ctrl_c:
    ...     try:
    ...         pass  # a KeyboardInterrupt is raised here, and no second one
    ...     except KeyboardInterrupt:
    ...         pass
    ...     ctrl_c.wait()  # from here on the first one waits as well

    One that waited is raised as KeyboardInterrupt at the end. Nothing changes outside the main thread, where Python
    raises none, or where the program deals with Ctrl-C in a way of its own.
    """

    def __init__(self) -> None:
        self._waits, self._pending, self._installed = False, False, False

    def __enter__(self) -> OnlyTheFirst:
        if threading.current_thread() is threading.main_thread():
            self._installed = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._installed:
            signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._pending:
            raise KeyboardInterrupt

    def wait(self) -> None:
        """From now on, no Ctrl-C is heard before the block is done."""
        self._waits = True

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._waits:
            self._pending = True
            return
        self._waits = True
        signal.default_int_handler(number, frame)
