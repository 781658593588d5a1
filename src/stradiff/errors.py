"""Exceptions of the package; a message says what is wrong, where, and what to do.

Each derives from a built-in exception (``ValueError``, ``RuntimeError``, ``MemoryError``), as scikit-learn expects.
"""

from __future__ import annotations

from collections.abc import Sequence


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


def shortened(value: object, length: int = 40) -> str:
    """The representation of a value in a message, on one line and at most ``length`` characters long."""
    text = " ".join(repr(value[: length + 1] if isinstance(value, str | bytes) else value).split())
    return text if len(text) <= length else text[: length - 3] + "..."


def listed(names: Sequence[str]) -> str:
    """The first dozen names in a message, without their quotes."""
    return ", ".join([*(shortened(name)[1:-1] for name in names[:12]), *(["..."] if len(names) > 12 else [])])
