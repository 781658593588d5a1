"""Registration of priors and maps by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stradiff.errors import OptionError


def check_entry(kind: str, name: Any, factory: Callable[..., Any], arguments: str) -> None:
    """:class:`OptionError` for an invalid name of a ``kind`` ("prior", "map"), or a factory that is not callable."""
    if not isinstance(name, str) or not name.isidentifier() or name == "auto":
        raise OptionError(f"The name of a {kind} is made of letters, digits and underscores; {name!r} cannot be one.")
    if not callable(factory):
        raise OptionError(f"The factory of {kind} {name!r} must be a function of {arguments}; it is {factory!r}.")
