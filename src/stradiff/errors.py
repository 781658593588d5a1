"""Exceptions of the package; a message says what is wrong, where, and what to do.

Each derives from a built-in exception (``ValueError``, ``RuntimeError``, ``MemoryError``), as scikit-learn expects.
"""

from __future__ import annotations


class StrADiffError(Exception):
    """Base of all exceptions raised deliberately by this package."""


class InputError(StrADiffError, ValueError):
    """Unusable data: shape, values, times or file content."""


class NotANumberError(InputError, TypeError):
    """A non-numeric object among the data; also a ``TypeError``, as scikit-learn expects."""


class ReadError(InputError):
    """A file that cannot be read as a recording: missing, empty, truncated, wrong format."""


class OptionError(StrADiffError, ValueError):
    """A parameter with an invalid value, or one that contradicts another parameter."""


class NumericsError(StrADiffError, RuntimeError):
    """A computation that left the range in which its result is meaningful."""


class StorageError(StrADiffError, ValueError):
    """A saved fit that cannot be written, or cannot be read by this version."""


class SeparationWarning(UserWarning):
    """A diagnostic casts doubt on the result of a fit; see ``StrADiff.diagnostics_``."""


class InsufficientMemoryError(StrADiffError, MemoryError):
    """An operation that needs more memory than is available; raised before anything is allocated."""


def shortened(value: object) -> str:
    """The representation of a value in a message, on one line and at most 40 characters long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else text[:37] + "..."
