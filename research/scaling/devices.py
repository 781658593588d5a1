"""The same epochs and the same fits on every kind of device that this machine has: its processor, and a GPU."""

from __future__ import annotations

from typing import Any

import jax

from scaling import epochs, fits
from scaling.one_process import Row, fresh
from stradiff.model.devices import computing_on

LIMIT = 300.0
EPOCHS: tuple[Row, ...] = (
    *({"mixing": "linear", "T": T} for T in (1_000, 10_000, 100_000)),
    *({"mixing": "mlp", "T": T} for T in (10_000, 100_000)),
    {"mixing": "linear", "T": 100_000, "n": 20, "m": 64},
)
FITS: tuple[Row, ...] = (
    {"mixing": "linear", "T": 1_000, "n": 3, "m": 3},
    {"mixing": "mlp", "T": 1_000, "n": 3, "m": 3},
    {"mixing": "linear", "T": 10_000, "n": 8, "m": 16},
    {"mixing": "mlp", "T": 10_000, "n": 3, "m": 3},
)
MEASURED: dict[str, Any] = {"epochs": epochs.measured, "fits": fits.measured}


def platforms() -> list[str]:
    """Names of the kinds of device that JAX finds, the processor first; asked in a process that lets go of them."""
    answer = fresh("devices", {"part": "here"}, 120.0)
    if "platforms" not in answer:
        raise SystemExit("JAX finds no device here, not even a processor: is JAX_PLATFORMS set to what there is not?")
    platforms: list[str] = answer["platforms"]
    return platforms


def cases(part: str, where: list[str], quick: bool) -> list[Row]:
    """Every case on each of these kinds of device in turn."""
    each = {"epochs": [{**epochs.USUAL, **one} for one in EPOCHS], "fits": [dict(one) for one in FITS]}[part]
    return [{"part": part, **case, "device": device} for case in (each[:1] if quick else each) for device in where]


def measured(case: Row) -> Row:
    """An epoch or a fit, with the device's own name and the most memory that was held on it, where it reports that."""
    if case["part"] == "here":
        return {"platforms": sorted({"cpu", *(device.platform for device in jax.local_devices())})}
    with computing_on(case["device"]):
        row = MEASURED[case["part"]](case)
    device = jax.local_devices(backend=case["device"])[0]
    held = (device.memory_stats() or {}).get("peak_bytes_in_use")
    return {**row, "card": device.device_kind, "on_device": held}
