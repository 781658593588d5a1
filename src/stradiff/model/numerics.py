"""The surroundings in which the model is computed: double precision at hand, and one thread for small matrices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import jax
from threadpoolctl import threadpool_limits

from stradiff.model.compiled import enable_compilation_cache


class _OneThread:
    """BLAS on one thread while anybody is inside: the limit is the process's, whichever of its threads asks."""

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._limits: threadpool_limits | None = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            self._inside += 1
            if self._limits is None:
                self._limits = threadpool_limits(limits=1, user_api="blas")
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside and self._limits is not None:
                    self._limits.restore_original_limits()
                    self._limits = None


_one_blas_thread = _OneThread()


@contextmanager
def numerics() -> Iterator[None]:
    """Switch JAX's double precision on, which the priors need, and BLAS threads off, for the calls inside.

    The factorisations of a regular-grid prior are 97 x 97: threads that wait for one another there made an epoch ten
    times slower. XLA's own threads, which do the large products, stay as they are.
    """
    enable_compilation_cache()
    with jax.enable_x64(True), _one_blas_thread():
        yield
