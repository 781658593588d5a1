"""Double precision and one BLAS thread within ``numerics()``; both are restored, also after concurrent use."""

from __future__ import annotations

import threading

import jax.numpy as jnp
from threadpoolctl import threadpool_info

from stradiff.model import numerics


def blas_threads():
    return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]


def test_double_precision_and_one_thread():
    with numerics():
        assert jnp.zeros(1, jnp.float64).dtype == jnp.float64
        assert set(blas_threads()) == {1}


def test_concurrent_use_restores_the_threads():
    """The first to enter is the first to leave."""
    before, second_in, first_out = blas_threads(), threading.Event(), threading.Event()

    def second():
        with numerics():
            second_in.set()
            assert first_out.wait(10)
            assert set(blas_threads()) == {1}

    with numerics():
        thread = threading.Thread(target=second)
        thread.start()
        assert second_in.wait(10)
    first_out.set()
    thread.join()
    assert blas_threads() == before
