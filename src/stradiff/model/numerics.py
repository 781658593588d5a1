"""The surroundings in which the model is computed: double precision at hand, and one thread for small matrices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jax
from threadpoolctl import threadpool_limits

from stradiff.model.compiled import keep_compiled


@contextmanager
def numerics() -> Iterator[None]:
    """Switch JAX's double precision on, which the priors need, and BLAS threads off, for the calls inside.

    The factorisations of a regular-grid prior are 97 x 97: threads that wait for one another there made an epoch ten
    times slower. XLA's own threads, which do the large products, stay as they are.
    """
    keep_compiled()
    with jax.enable_x64(True), threadpool_limits(limits=1, user_api="blas"):
        yield
