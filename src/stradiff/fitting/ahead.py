"""Training is compiled while the warm start is looked for: that needs shapes, and none of the start's numbers."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from stradiff.fitting.loop import Loop
from stradiff.fitting.settings import Settings
from stradiff.fitting.warm_start import random_model
from stradiff.model.model import Model
from stradiff.model.numerics import numerics_of_caller
from stradiff.model.parts import Parts
from stradiff.model.priors.choice import AUTO

_asked: set[Any] = set()
_lock = Lock()


def compile_ahead(
    observed: np.ndarray, times: np.ndarray | None, settings: Settings, seen: np.ndarray | None, parts: Parts | None
) -> Future[None] | None:
    """Training of this shape, being compiled by a thread of its own; parameters are those of ``fit``.

    None where that was asked for before, or the warm start takes no time, trains itself, or decides on shapes. What
    fails here fails again where training begins, and is told there.
    """
    n_samples, n_channels = observed.shape
    length = n_samples if parts is None else parts.length
    tried = settings.mixing != "linear" and n_channels > settings.n_sources
    shaped = settings.prior == AUTO or (settings.branch != "none" and settings.convolves(length))
    if settings.init in ("random", "given") or tried or shaped:
        return None
    task = (observed.shape, times is None, None if seen is None else seen.shape, settings, parts)
    with _lock:
        if task in _asked:
            return None
        _asked.add(task)
    numerics = numerics_of_caller()

    def model_of(key: PRNGKeyArray) -> Model:
        return random_model(n_samples, n_channels, settings, key, parts=parts)

    def compile_it() -> None:
        with numerics():
            key = jax.random.key(0)
            shapes = eqx.filter_eval_shape(model_of, key)
            model = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
            Loop(observed, times, settings, model, key, seen).advance(0)

    pool = ThreadPoolExecutor(1, "stradiff-compiling")
    compiling = pool.submit(compile_it)
    pool.shutdown(wait=False)
    return compiling
