"""The script ``stradiff``: the command line, and how its process ends."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

from stradiff.cli.app import main
from stradiff.cli.console import INTERRUPTED
from stradiff.interrupts import ending_like_ctrl_c, resend_dropped_interrupts

SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has one of them


def run() -> int:
    """Run the command line and return its exit code; after an interruption leave at once.

    A run that SIGTERM or SIGHUP ends writes what it has, as one that Ctrl-C ends. Threads of XLA go on compiling
    meanwhile, and an interpreter that tidies up beneath them ends in a crash.
    """
    with ending_like_ctrl_c(SIGNALS) as received:
        try:
            with resend_dropped_interrupts():
                code = main()
        except KeyboardInterrupt:  # a second one, while the first is reported
            code = INTERRUPTED
        if received:
            code = 128 + received[0]
        if received or code == INTERRUPTED:
            _leave(code)
    return code


def _leave(code: int) -> None:
    """End the process without what Python does at its end, but for what was printed."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a closed pipe
            stream.flush()
    os._exit(code)
