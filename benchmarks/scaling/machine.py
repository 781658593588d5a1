"""The machine that is measured on, and no other."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import Any

from pace import machine

LIBRARIES = ("stradiff", "jax", "numpy", "scipy")


def check(there: dict[str, Any] | None, anew: bool) -> dict[str, Any]:
    """What this machine is; refuses to go on with the results of another one, unless all are measured ``anew``."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    here: dict[str, Any] = {"processor": machine.processor(), "cores": machine.cores()}
    here["versions"] = {name: version(name) for name in LIBRARIES}
    known = {name: value for name, value in (there or here).items() if name in here}
    if known != here and not anew:
        raise SystemExit(
            f"The results there are of {known}, this is {here}: name another file (--results), or measure everything "
            "anew (--again)."
        )
    return {**here, "load_before": round(load, 2)}
