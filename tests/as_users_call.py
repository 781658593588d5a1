"""For tests of error messages about arguments that this suite's own type checks would refuse before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jaxtyping


@contextmanager
def as_users_call() -> Iterator[None]:
    """Shapes and types unchecked, as in an installed package."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
