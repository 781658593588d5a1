"""What a fit was made with: settings, seed, versions, shapes, time."""

from __future__ import annotations

import dataclasses
import platform
from importlib.metadata import version
from typing import Any

from stradiff.model.devices import available_devices
from stradiff.posterior import Separation
from stradiff.posterior.memory import memory_estimate

LIBRARIES = ("stradiff", "jax", "equinox", "optax", "scikit-learn", "numpy")


def describe(
    separation: Separation,
    *,
    preset: str,
    n_samples: int,
    n_channels: int,
    n_draws: int,
    n_devices: int,
    seconds: float,
) -> dict[str, Any]:
    """A dictionary that fits into JSON. ``n_devices`` is how many the fit was in fact divided among."""
    needed = memory_estimate(n_samples, n_channels, separation.settings, regular=separation.times is None)
    device = available_devices()[0]
    return {
        "preset": preset,
        "settings": dataclasses.asdict(separation.settings),
        "seed": separation.seed,
        "n_samples": n_samples,
        "n_channels": n_channels,
        "n_draws": n_draws,
        "memory_needed": round(needed),  # bytes, as estimated before the fit
        "device": device.platform,
        "device_kind": device.device_kind,
        "n_devices": n_devices,
        "seconds": round(seconds, 3),
        "versions": {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()},
    }
