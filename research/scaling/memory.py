"""How much memory this process holds, and the most it held since it was asked to forget."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
KIBI = 1 if sys.platform == "darwin" else 1024  # the unit of ru_maxrss


class Peak:
    """Bytes that were taken since this was made, at most, beyond what was held then."""

    def __init__(self) -> None:
        self.forget()
        self._idle = _read("VmRSS") or _highest()

    def forget(self) -> None:
        """From here on, the most is what is held now or later; Linux alone can do this."""
        with suppress(OSError):
            FORGET.write_text("5")

    def bytes(self) -> float:
        """So far."""
        return float(max(0, (_read("VmHWM") or _highest()) - self._idle))


def _read(name: str) -> int | None:
    """A line of the kernel's account of this process, in bytes."""
    try:
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    except (OSError, StopIteration):
        return None
    return int(line.split()[1]) * 1024


def _highest() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIBI


def total() -> float:
    """Bytes of memory of this machine."""
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
