"""Compiling is most of a first fit: how it takes less, and how the second fit of a shape need not do it anew.

Compiled programs are kept on disk. JAX keeps them
(https://docs.jax.dev/en/latest/persistent_compilation_cache.html); this says where, unless the user has told JAX
already, and whether: on some processors JAX finds its own programs unfit for the machine, says so in a line of errors
for each, and compiles again (jax issue 38445).
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import equinox as eqx
import filelock  # noqa: F401  JAX needs it to bound the folder
import jax
import jax.numpy as jnp
from jax.experimental import serialize_executable
from jax.experimental.compilation_cache import compilation_cache
from platformdirs import user_cache_path

VARIABLE = "STRADIFF_CACHE"
OFF = "off"
LEAST_SECONDS = 0.02  # of compiling: what is quicker is not worth a file
MOST_BYTES = 1 << 27  # a shape takes some forty files and two megabytes; the least used ones go first
REFUSED = "AOT result"  # what XLA's complaint is about
# XLA's older way to write loops compiles in two thirds of the time, but an epoch takes half as long again on two cores.
SOON = {"xla_cpu_use_fusion_emitters": False}

P = ParamSpec("P")
R = TypeVar("R")


def quick_jit(function: Callable[P, R]) -> Callable[P, R]:
    """As ``eqx.filter_jit``, for what runs a few times in a fit: compiling is then most of what it costs.

    Traced inside another program it is a part of that one, as JAX has one set of options for the whole. That it is
    traced must show in its arguments: where none of them is, JAX refuses.
    """

    @functools.cache
    def program() -> Callable[P, R]:
        compiled: Callable[P, R] = eqx.filter_jit(function, compiler_options=_options())  # type: ignore[call-overload]
        return compiled

    @functools.wraps(function)
    def call(*arguments: P.args, **named: P.kwargs) -> R:
        if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((arguments, named))):
            return function(*arguments, **named)
        return program()(*arguments, **named)

    return call


@functools.cache
def _options() -> dict[str, bool] | None:
    """``SOON`` where JAX runs on the processor and XLA knows what is meant; else everything as usual."""
    if jax.default_backend() != "cpu":
        return None
    try:
        jax.jit(lambda x: x, compiler_options=SOON).lower(jnp.zeros(1)).compile()
    except jax.errors.JaxRuntimeError:
        return None
    return SOON


@functools.cache
def enable_compilation_cache() -> None:
    """Have JAX keep its programs in the user's cache folder, or where the variable STRADIFF_CACHE says; "off": nowhere.

    Nothing happens where JAX has a folder already, where none can be written, or where this processor would not take
    its programs back.
    """
    where = os.environ.get(VARIABLE)
    if jax.config.jax_compilation_cache_dir or where == OFF:  # type: ignore[attr-defined]
        return
    folder = Path(where) if where else user_cache_path("stradiff") / "compiled"
    if not (_writable(folder) and _takes_programs_back()):
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", LEAST_SECONDS)
    jax.config.update("jax_compilation_cache_max_size", MOST_BYTES)
    compilation_cache.reset_cache()  # JAX asks once whether there is a folder, and may have asked before


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _takes_programs_back() -> bool:
    """Whether a small program written to bytes can be read again without complaint."""
    compiled = jax.jit(lambda x: x + 1.0).lower(jnp.zeros(8)).compile()
    said = _said_while(lambda: serialize_executable.deserialize_and_load(*serialize_executable.serialize(compiled)))
    return said is not None and REFUSED not in said


def _said_while(call: Callable[[], object]) -> str | None:
    """What compiled code wrote to the error stream meanwhile; None where the call failed."""
    with tempfile.TemporaryFile() as file:
        stream = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            call()
        except Exception:  # whatever it was, programs do not come back
            return None
        finally:
            os.dup2(stream, 2)
            os.close(stream)
        file.seek(0)
        return file.read().decode(errors="replace")
