"""Compilation: options that shorten it, and the persistent cache of compiled programs.

The cache is JAX's (https://docs.jax.dev/en/latest/persistent_compilation_cache.html). It stays disabled where JAX
rejects its own cached programs as unfit for the processor, with an error message for each (jax issue 38445).
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import equinox as eqx
import filelock  # noqa: F401  JAX needs it to limit the size of the cache
import jax
import jax.numpy as jnp
from jax.experimental import serialize_executable
from jax.experimental.compilation_cache import compilation_cache
from platformdirs import user_cache_path

VARIABLE = "STRADIFF_CACHE"
OFF = "off"
MIN_SECONDS = 0.02  # of compilation, for a program to be cached
MAX_BYTES = 1 << 27  # one shape takes about forty files and two megabytes; the least recently used are evicted
REJECTION = "AOT result"  # in XLA's message about an unfit program
# XLA's older loop emitter compiles in two thirds of the time; its programs take half as long again on two cores.
QUICK_OPTIONS = {"xla_cpu_use_fusion_emitters": False}

P = ParamSpec("P")
R = TypeVar("R")


def quick_jit(function: Callable[P, R]) -> Callable[P, R]:
    """As ``eqx.filter_jit``, with quick compilation, for functions that run only a few times in a fit.

    Within another jitted function it is inlined, since JAX has one set of options per program; at least one argument
    must then be traced.
    """

    @functools.cache
    def program() -> Callable[P, R]:
        compiled: Callable[P, R] = eqx.filter_jit(function, compiler_options=_options())  # type: ignore[call-overload]
        return compiled

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((args, kwargs))):
            return function(*args, **kwargs)
        return program()(*args, **kwargs)

    return wrapper


@functools.cache
def _options() -> dict[str, bool] | None:
    """``QUICK_OPTIONS`` on a CPU where XLA supports them, else None."""
    if jax.default_backend() != "cpu":
        return None
    try:
        jax.jit(lambda x: x, compiler_options=QUICK_OPTIONS).lower(jnp.zeros(1)).compile()
    except jax.errors.JaxRuntimeError:
        return None
    return QUICK_OPTIONS


@functools.cache
def enable_compilation_cache() -> None:
    """Enable JAX's cache in the user's cache folder, or that of the variable STRADIFF_CACHE; "off" disables it.

    Without effect where JAX has a cache folder already, the folder is not writable, or cached programs are rejected.
    """
    setting = os.environ.get(VARIABLE)
    if jax.config.jax_compilation_cache_dir or setting == OFF:  # type: ignore[attr-defined]
        return
    folder = Path(setting) if setting else user_cache_path("stradiff") / "compiled"
    if not (_writable(folder) and _programs_reload()):
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", MIN_SECONDS)
    jax.config.update("jax_compilation_cache_max_size", MAX_BYTES)
    compilation_cache.reset_cache()  # JAX reads the folder only once, perhaps before this


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _programs_reload() -> bool:
    """Whether a serialised small program can be loaded again without a rejection."""
    compiled = jax.jit(lambda x: x + 1.0).lower(jnp.zeros(8)).compile()
    messages = _stderr_of(lambda: serialize_executable.deserialize_and_load(*serialize_executable.serialize(compiled)))
    return messages is not None and REJECTION not in messages


def _stderr_of(call: Callable[[], object]) -> str | None:
    """Output of compiled code to the error stream during a call; None if the call failed."""
    with tempfile.TemporaryFile() as file:
        stream = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            call()
        except Exception:  # of any kind: the program cannot be loaded
            return None
        finally:
            os.dup2(stream, 2)
            os.close(stream)
        file.seek(0)
        return file.read().decode(errors="replace")
