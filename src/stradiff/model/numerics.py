"""The numerical context of the model: double precision, and a single BLAS thread."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import jax
from threadpoolctl import ThreadpoolController

from stradiff.model.compiled import enable_compilation_cache


class _OneThread:
    """Context with a single BLAS thread; the limit belongs to the process, and ends with the last of its users."""

    def __init__(self) -> None:
        self._lock, self._n_users = Lock(), 0
        self._limits: Any = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            self._n_users += 1
            if self._limits is None:
                self._limits = _loaded_libraries().limit(limits=1, user_api="blas")
        try:
            yield
        finally:
            with self._lock:
                self._n_users -= 1
                if not self._n_users and self._limits is not None:
                    self._limits.restore_original_limits()
                    self._limits = None


@functools.cache
def _loaded_libraries() -> ThreadpoolController:
    """Those of NumPy and SciPy; looking for them takes longer than most of what is done within ``numerics``."""
    return ThreadpoolController()


_one_blas_thread = _OneThread()


@contextmanager
def numerics() -> Iterator[None]:
    """Context with JAX's double precision, which the priors need, and a single BLAS thread.

    The factorisations of a regular-grid prior are 97 x 97, for which several BLAS threads are ten times slower. XLA's
    own threads, which compute the large products, are unaffected.
    """
    enable_compilation_cache()
    with jax.enable_x64(True), _one_blas_thread():
        yield
