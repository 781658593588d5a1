"""Refusal of work that does not fit in memory, before anything is allocated."""

from __future__ import annotations

import psutil

from stradiff.errors import InsufficientMemoryError


def available_memory() -> int:
    """Bytes that can be used without swapping."""
    return int(psutil.virtual_memory().available)


def check_memory(needed_bytes: float | int, subject: str) -> None:
    """Raise :class:`InsufficientMemoryError`, with both numbers, where more memory is needed than available.

    Parameters
    ----------
    needed_bytes : float or int
        Estimate of the largest allocation.
    subject : str
        Of the sentence, such as ``"Fitting 100,000 samples"``.
    """
    available = available_memory()
    if needed_bytes > available:
        raise InsufficientMemoryError(
            f"{subject} needs about {needed_bytes / 2**30:.3g} GiB of memory, but {available / 2**30:.3g} GiB "
            "are available; use fewer samples or channels, or a larger machine."
        )
