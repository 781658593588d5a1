"""The script ``stradiff``: the command line, and how its process ends."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from stradiff.cli.app import main
from stradiff.cli.console import INTERRUPTED
from stradiff.interrupts import resend_dropped_interrupts


def run() -> int:
    """Run the command line and return its exit code; after an interruption leave at once.

    Threads of XLA go on compiling after Ctrl-C, and an interpreter that tidies up beneath them ends in a crash.
    """
    try:
        with resend_dropped_interrupts():
            code = main()
    except KeyboardInterrupt:  # a second one, while the first is reported
        code = INTERRUPTED
    if code == INTERRUPTED:
        _leave(code)
    return code


def _leave(code: int) -> None:
    """End the process without what Python does at its end, but for what was printed."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a closed pipe
            stream.flush()
    os._exit(code)
