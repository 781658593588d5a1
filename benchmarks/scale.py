"""What a longer recording, more sources, more channels or more of them cost: time and memory, measured.

    python benchmarks/scale.py                      # what is not in the results yet; about five hours on two cores
    python benchmarks/scale.py --parts prior --again
    python benchmarks/scale.py --quick              # small cases, only to see that everything runs
    python benchmarks/scale.py --print --publish    # what is there already, as tables and as a page of the docs

Six parts. ``prior``: value and gradient beside an FFT, for every kernel (``scaling/prior.py``). ``epochs``: an epoch
against T, n, m and L (``scaling/epochs.py``). ``fits``: whole fits (``scaling/fits.py``); ``long``: one of half an hour
of 64 channels. ``network``: convolutional branches beside dense ones. ``workers``: many recordings on a cluster. Every
row is measured in a process of its own, and goes to ``benchmarks/results/scale.json`` as it comes, so a run can be
stopped and resumed. The machine should have nothing else to do.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from scaling import epochs, fits, long, network, prior, tables, workers
from scaling.one_process import fresh
from scaling.plots import PICTURES
from timed import Results, Timed

MEASURED = {"prior": prior, "epochs": epochs, "fits": fits, "long": long, "network": network, "workers": workers}
SCALE = Timed("scale", tuple(MEASURED), ("stradiff", "jax", "numpy", "scipy"), tables, PICTURES)


def main() -> None:
    """Measure what is asked for and is not there yet; print the tables."""
    arguments = SCALE.options(__doc__).parse_args()
    SCALE.run(arguments, measure, anew=arguments.again and set(arguments.parts) == set(SCALE.parts))


def measure(results: Results, keep: Callable[[], None], arguments: argparse.Namespace) -> None:
    """Every case of every part that is missing, kept as it comes."""
    for name in arguments.parts:
        rows = results.setdefault(name, [])
        if arguments.again:
            rows.clear()
        for case in MEASURED[name].cases(arguments.quick):
            if not any(row["case"] == case for row in rows):
                rows.append(fresh(name, case, MEASURED[name].LIMIT))
                keep()
                print(name, tables.words(case), "measured", flush=True)


if __name__ == "__main__":
    main()
