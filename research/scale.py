"""What a longer recording, more sources, more channels or more of them cost: time and memory, measured.

    python research/scale.py                      # what is not in the results yet; about an hour on two quick cores
    python research/scale.py --parts prior --again
    python research/scale.py --quick              # small cases, only to see that everything runs
    python research/scale.py --print --publish    # what is there already, as tables and in the page

Six parts. ``prior``: value and gradient beside an FFT, for every kernel (``scaling/prior.py``). ``epochs``: an epoch
against T, n, m and L (``scaling/epochs.py``). ``fits``: whole fits (``scaling/fits.py``); ``long``: one of half an hour
of 64 channels. ``network``: convolutional branches beside dense ones. ``workers``: many recordings on a cluster. Every
row is measured in a process of its own, and goes to ``research/results/scale.json`` as it comes, so a run can be
stopped and resumed. The machine should have nothing else to do.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from scaling import epochs, fits, long, network, prior, tables, workers
from scaling.one_process import fresh
from scaling.plots import PICTURES
from timed import Row, Timed

MEASURED = {"prior": prior, "epochs": epochs, "fits": fits, "long": long, "network": network, "workers": workers}
SCALE = Timed("scale", tuple(MEASURED), ("stradiff", "jax", "numpy", "scipy"), tables, PICTURES)


def main() -> None:
    """Measure what is asked for and is not there yet; print the tables."""
    SCALE.run(SCALE.options(__doc__).parse_args(), lacking)


def lacking(part: str, there: list[Row], arguments: argparse.Namespace) -> Iterator[Row]:
    """Every case of a part that is not there, each in a process of its own."""
    for case in MEASURED[part].cases(arguments.quick):
        if not any(row["case"] == case for row in there):
            yield fresh(part, case, MEASURED[part].LIMIT)
            print(part, tables.words(case), "measured", flush=True)


if __name__ == "__main__":
    main()
