"""Which device computes: JAX's own choice, or the one that was named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import jax

from stradiff.errors import OptionError

AUTO = "auto"
GPUS = ("gpu", "cuda", "rocm")  # names that JAX knows graphics cards by


@contextmanager
def computing_on(device: Any) -> Iterator[None]:
    """Compute what is called inside on ``device``: the name of a platform of JAX, or ``"auto"``.

    ``"auto"`` leaves the choice to JAX, which takes the fastest there is: a GPU where its libraries find one. A device
    that is not there is refused with :class:`OptionError`; nothing runs elsewhere instead.
    """
    with nullcontext() if device == AUTO else jax.default_device(_first_of(device)):
        yield


def available_devices() -> list[jax.Device]:
    """The devices of this machine and of the platform that computes at present, the one in use first."""
    chosen: Any = jax.config.jax_default_device  # type: ignore[attr-defined]
    if chosen is None:
        return jax.local_devices()
    if isinstance(chosen, str):  # JAX takes the name of a platform, too
        return jax.local_devices(backend=chosen)
    return [chosen, *(one for one in jax.local_devices(backend=chosen.platform) if one != chosen)]


def free_device_memory() -> int | None:
    """Bytes that the device in use has for new arrays; None where it does not tell: a processor's are the machine's."""
    told = available_devices()[0].memory_stats() or {}
    return told["bytes_limit"] - told["bytes_in_use"] if {"bytes_limit", "bytes_in_use"} <= set(told) else None


def _first_of(platform: Any) -> jax.Device:
    if not isinstance(platform, str) or not platform:
        raise OptionError(f"device={platform!r} must be 'auto', 'cpu', 'gpu' or another name of a JAX platform.")
    try:
        return jax.local_devices(backend=platform)[0]
    except RuntimeError as error:
        hint = 'pip install "stradiff[cuda]" brings what an NVIDIA GPU needs; ' if platform in GPUS else ""
        raise OptionError(
            f"device={platform!r} is not there: JAX finds {jax.default_backend()} here; {hint}"
            "device='auto' takes what there is."
        ) from error
