"""What a user may add by name, such as a prior or a map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stradiff.errors import OptionError


def check_entry(what: str, name: Any, factory: Callable[..., Any], told: str) -> None:
    """:class:`OptionError` for a name that could not be told from a list, or a factory that cannot be called.

    ``what`` is added, by a factory that is a function of what is ``told``.
    """
    if not isinstance(name, str) or not name.isidentifier() or name == "auto":
        raise OptionError(f"The name of a {what} is made of letters, digits and underscores; {name!r} cannot be one.")
    if not callable(factory):
        raise OptionError(f"The factory of {what} {name!r} must be a function of {told}; it is {factory!r}.")
