"""Is there enough memory? Asked before anything is allocated."""

from __future__ import annotations

import os
from pathlib import Path

from stradiff.errors import InsufficientMemoryError

_MEMINFO = Path("/proc/meminfo")


def available_memory() -> int | None:
    """Bytes that can be used without swapping; all of the machine's where only that is known, else None."""
    try:
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass  # not Linux
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def check_memory(needed_bytes: float | int, what: str) -> None:
    """Refuse work that needs more memory than there is.

    Parameters
    ----------
    needed_bytes : float
        Estimate of what will be allocated at once.
    what : str
        Subject of the sentence, such as ``"Fitting 100,000 samples"``.

    Raises
    ------
    InsufficientMemoryError
        With both numbers. Nothing is refused where the available memory cannot be found out.
    """
    available = available_memory()
    if available is not None and needed_bytes > available:
        raise InsufficientMemoryError(
            f"{what} needs about {needed_bytes / 2**30:.3g} GiB of memory, but {available / 2**30:.3g} GiB "
            "are available; use fewer samples or channels, or a larger machine."
        )
