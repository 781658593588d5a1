"""Compilation: options that shorten it, and the persistent cache of compiled programs.

The cache is JAX's (https://docs.jax.dev/en/latest/persistent_compilation_cache.html). It stays disabled where JAX
rejects its own cached programs as unfit for the processor, with an error message for each (jax issue 38445).
"""

from __future__ import annotations

import functools
import os
import stat
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from filelock import FileLock  # which JAX needs too, to limit the size of the cache
from jax.experimental import serialize_executable
from jax.experimental.compilation_cache import compilation_cache
from platformdirs import user_cache_path

VARIABLE = "STRADIFF_CACHE"
OFF = "off"
MIN_SECONDS = 0.02  # of compilation, for a program to be cached
MAX_BYTES = 1 << 27  # one shape takes about forty files and two megabytes; the least recently used are evicted
LOCK, LOCK_SECONDS = ".lockfile", 10.0  # JAX's own
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
    """Enable JAX's cache in :func:`cache_folder`.

    Without effect where JAX has a cache folder already, there is none to use, or cached programs are rejected.
    """
    if jax.config.jax_compilation_cache_dir:  # type: ignore[attr-defined]
        return
    folder = cache_folder()
    if folder is None or not _programs_reload():
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", MIN_SECONDS)
    jax.config.update("jax_compilation_cache_max_size", MAX_BYTES)
    compilation_cache.reset_cache()  # JAX reads the folder only once, perhaps before this


@functools.cache
def cache_folder() -> Path | None:
    """The folder of compiled programs: in the user's cache folder, or that of the variable STRADIFF_CACHE.

    None with "off", and where it cannot be written, of which a folder of the variable gives a warning. A folder that
    other users can write to is refused with a warning: programs are run as they are found.
    """
    setting = os.environ.get(VARIABLE)
    if setting == OFF:
        return None
    try:
        folder = Path(setting).resolve() if setting else _default_folder()
        _make_private(folder)
        intruders = _intruders(folder)
        if intruders is None:
            _remove_unfinished(folder)
            return folder
    except (OSError, NotImplementedError, RuntimeError) as error:  # of disks; of those without locks; of no home
        if setting:
            _warn(f"{setting} of {VARIABLE} cannot be written ({error})", "name another")
        return None
    _warn(
        f"{intruders}, who could leave programs in {folder} for you to run", f"delete it, or name another in {VARIABLE}"
    )
    return None


def _default_folder() -> Path:
    """In the user's cache folder; RuntimeError where the user has no home."""
    folder = user_cache_path("stradiff") / "compiled"
    if not folder.is_absolute():  # an unresolved "~" of older versions of platformdirs
        raise RuntimeError("no home")
    return folder.resolve()


def _warn(reason: str, remedy: str) -> None:
    warnings.warn(f"Programs are compiled anew in every process: {reason}; {remedy}.", stacklevel=3)


def _make_private(folder: Path) -> None:
    """Make a folder and those above it that nobody else may enter; one that is there stays as it is."""
    for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


def _intruders(folder: Path) -> str | None:
    """Who else can write into a folder, or put another in its place, in words."""
    if not hasattr(os, "getuid"):  # Windows, where folders of a user are the user's own
        return None
    state = folder.stat()
    if state.st_uid != os.getuid():
        return f"{folder} belongs to another user"
    if state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"{folder} can be written by other users"
    for parent in folder.parents:
        mode = parent.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:  # in a sticky one only owners remove
            return f"{parent} can be written by all users"
    return None


def _remove_unfinished(folder: Path) -> None:
    """Remove entries of processes that were killed while they wrote them: they lack the file JAX writes next.

    JAX would find them unreadable, and stop adding others, with a warning each time.
    """
    with FileLock(folder / LOCK, timeout=LOCK_SECONDS):  # JAX reads and writes within it
        for entry in folder.glob("*-cache"):
            if not entry.with_name(entry.name.removesuffix("-cache") + "-atime").exists():
                entry.unlink()


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
