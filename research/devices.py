"""Is a fit quicker on the GPU of this machine than on its processor?

    python research/devices.py                      # what is not in the results yet
    python research/devices.py --parts epochs --devices gpu --again
    python research/devices.py --print --publish    # what is there already, as tables and in the page

Two parts, each case on every kind of device that JAX finds, in turn: ``epochs``, and whole ``fits``
(``scaling/devices.py``). A machine without a GPU measures its processor alone. Every row is measured in a process of
its own, and goes to ``research/results/devices.json`` as it comes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from scaling import device_tables, devices
from scaling.one_process import fresh
from scaling.tables import words
from timed import Row, Timed

DEVICES = Timed(
    "devices", ("epochs", "fits"), ("stradiff", "jax", "numpy", "scipy"), device_tables, {}, page="devices.md"
)


def main() -> None:
    """Measure what is asked for and is not there yet; print the tables."""
    options = DEVICES.options(__doc__)
    options.add_argument("--devices", nargs="+", help="kinds of device, as JAX names them (default: all there are)")
    arguments = options.parse_args()
    DEVICES.run(
        arguments, lacking, asked=lambda row: row["case"]["device"] in (arguments.devices or [row["case"]["device"]])
    )


def lacking(part: str, there: list[Row], arguments: argparse.Namespace) -> Iterator[Row]:
    """Every case of a part that is not there, each in a process of its own."""
    for case in devices.cases(part, arguments.devices or devices.platforms(), arguments.quick):
        if not any(row["case"] == case for row in there):
            yield fresh("devices", case, devices.LIMIT)
            print(words(case), "measured", flush=True)


if __name__ == "__main__":
    main()
