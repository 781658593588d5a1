"""What this machine can do at best: numbers moved and numbers multiplied per second, in single precision."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

LARGE = 400e6  # bytes of the three arrays together: beyond the caches of all but the largest servers
SIDE = 2048  # of the matrices: their product is all arithmetic
RUNS = 8


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """Its name, where the system says it."""
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        import platform

        return platform.processor() or platform.machine()


@partial(jax.jit, donate_argnums=0, keep_unused=True)
def _triad(a: jax.Array, b: jax.Array, c: jax.Array) -> jax.Array:
    """a = b + 3 c (STREAM; McCalpin 1995), into the memory of the old a."""
    return b + 3.0 * c


def bandwidth(n_bytes: float, runs: int = RUNS) -> float:
    """Bytes a second of a triad whose three arrays take ``n_bytes`` together; the best of several runs."""
    n = max(1, round(n_bytes / 12))
    a, b, c = jnp.zeros(n, jnp.float32), jnp.ones(n, jnp.float32), jnp.full(n, 2.0, jnp.float32)
    repeats = max(1, round(20e6 / n))  # a run of a quarter of a gigabyte: the clock and the call weigh nothing

    def many() -> None:
        nonlocal a
        for _ in range(repeats):
            a = _triad(a, b, c)
        a.block_until_ready()

    return 12.0 * n * repeats / quickest(many, runs)


def peak(side: int = SIDE, runs: int = RUNS) -> float:
    """Floating-point operations a second of a matrix product; the best of several runs."""
    a = jnp.ones((side, side), jnp.float32)
    product = jax.jit(jnp.matmul)
    return 2.0 * side**3 / quickest(lambda: product(a, a).block_until_ready(), runs)


def quickest(call: Callable[[], object], runs: int) -> float:
    """Seconds of the quickest of ``runs`` calls after a first one."""
    call()
    spent = []
    for _ in range(runs):
        began = time.perf_counter()
        call()
        spent.append(time.perf_counter() - began)
    return min(spent)
