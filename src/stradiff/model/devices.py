"""Selection of the device that computes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar, cast

import jax

from stradiff.errors import OptionError, shortened
from stradiff.parameters import Constraint, plain

AUTO = "auto"
GPUS = ("gpu", "cuda", "rocm")  # JAX's names of GPU platforms
DEVICE = Constraint(
    "'auto', 'cpu', 'gpu' or another name of a JAX platform",
    lambda value: isinstance(value, str) and value.isidentifier(),
)

Method = TypeVar("Method", bound=Callable[..., Any])


@contextmanager
def computing_on(device: Any) -> Iterator[None]:
    """Context of computations on ``device``: the name of a JAX platform, or ``"auto"``.

    ``"auto"`` is JAX's choice: a GPU if its libraries find one. :class:`OptionError` for an unavailable device.
    """
    DEVICE.check("device", device := plain(device))
    with nullcontext() if device == AUTO else jax.default_device(_first_device(device)):
        yield


def on_its_device(method: Method) -> Method:
    """A method of an estimator, computed on the device that the parameter ``device`` names."""

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        with computing_on(self.device):
            return method(self, *args, **kwargs)

    return cast(Method, wrapper)


def available_devices() -> list[jax.Device]:
    """Local devices of the current platform, the default one first."""
    default: Any = jax.config.jax_default_device  # type: ignore[attr-defined]
    if default is None:
        return jax.local_devices()
    if isinstance(default, str):  # JAX also accepts the name of a platform
        return jax.local_devices(backend=default)
    return [default, *(device for device in jax.local_devices(backend=default.platform) if device != default)]


def free_device_memory() -> int | None:
    """Bytes available on the default device; None where it has no memory of its own, as a CPU."""
    stats = available_devices()[0].memory_stats() or {}
    return stats["bytes_limit"] - stats["bytes_in_use"] if {"bytes_limit", "bytes_in_use"} <= set(stats) else None


def _first_device(platform: Any) -> jax.Device:
    try:
        return jax.local_devices(backend=platform)[0]
    except RuntimeError as error:
        hint = 'install support of NVIDIA GPUs with pip install "stradiff[cuda]", or ' if platform in GPUS else ""
        raise OptionError(
            f"device={shortened(platform)} is not available: JAX finds {jax.default_backend()} here; {hint}"
            "use device='auto' for the best available one."
        ) from error
