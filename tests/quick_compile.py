"""For tests in which compiling would take most of the time and neither speed nor the random numbers matter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jax

OPTIMISE_LESS = "jax_disable_most_optimizations"


@contextmanager
def quick_compile() -> Iterator[None]:
    """Compile in about half the time, to code that is slower and draws from a generator that is short to compile."""
    usual = jax.config.read(OPTIMISE_LESS)
    jax.config.update(OPTIMISE_LESS, True)
    try:
        with jax.default_prng_impl("rbg"):
            yield
    finally:
        jax.config.update(OPTIMISE_LESS, usual)
