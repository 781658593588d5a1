"""Double precision and one BLAS thread inside; outside everything is as it was, also where two are inside at once."""

from __future__ import annotations

import threading

import jax.numpy as jnp
from threadpoolctl import threadpool_info

from stradiff.model import numerics


def blas_threads():
    return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]


def test_double_precision_inside_alone():
    with numerics():
        assert jnp.zeros(1, jnp.float64).dtype == jnp.float64
        assert set(blas_threads()) == {1}


def test_two_at_once_leave_the_threads_as_they_were():
    """The first to come is the first to go, while the other is inside."""
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
