"""One tree of exceptions: every message says what is wrong, where, and what to do.

All of them are ``ValueError`` or ``RuntimeError`` underneath, so code written for scikit-learn catches them unchanged.
"""

from __future__ import annotations


class StrADiffError(Exception):
    """Base of everything this package raises on purpose."""


class InputError(StrADiffError, ValueError):
    """The data handed in cannot be used: shape, values, times or file content."""


class NotANumberError(InputError, TypeError):
    """Something that is no number at all stands among the data; a ``TypeError`` too, as scikit-learn expects."""


class ReadError(InputError):
    """A file cannot be read as a recording: missing, empty, truncated, wrong format."""


class OptionError(StrADiffError, ValueError):
    """A setting has a value that does not exist or contradicts another one."""


class NumericsError(StrADiffError, RuntimeError):
    """A computation left the range of numbers in which its result means something."""


class StorageError(StrADiffError, ValueError):
    """A saved fit cannot be written, or is not one this version can read."""


class SeparationWarning(UserWarning):
    """The fit is done, but something speaks against its answer; see ``StrADiff.diagnostics_``."""


class InsufficientMemoryError(StrADiffError, MemoryError):
    """The work needs more memory than there is; said before anything is allocated."""


def shortened(value: object) -> str:
    """A value as a message shows it."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
