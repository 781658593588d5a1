"""How fast is an epoch, how long does a fit take, and how much quicker could it be on this machine?

    python research/speed.py                      # what is not in the results yet; within fifteen minutes
    python research/speed.py --parts epochs --again
    python research/speed.py --quick              # few epochs, only to see that everything runs
    python research/speed.py --print --publish    # what is there already, as tables and in the page

Four parts, all on T = 1000, n = 3, L = 20. ``epochs``: the same epoch of preset "paper" in PyTorch as the paper is
written, in JAX without the library's optimisations, and in the library, in turn (``timing/rounds.py``); PyTorch comes
with ``pip install '.[research]'``. ``fits``: whole fits of the default preset from a process that never compiled
anything, again, and from a new process (``timing/fits.py``). ``roofline``: what memory and arithmetic allow
(``timing/roofline.py``). ``parts``: where an epoch goes (``timing/parts.py``). Results go to
``research/results/speed.json`` as they come, so a run can be stopped and resumed. The machine should have nothing
else to do.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from timed import Row, Timed
from timing import fits, parts, roofline, rounds, tables
from timing.plots import PICTURES
from timing.problem import MAPS

SPEED = Timed("speed", ("epochs", "fits", "roofline", "parts"), ("stradiff", "jax", "torch", "numpy"), tables, PICTURES)
ROUNDS, QUICK_ROUNDS, QUICK_SHARE, QUICK_EPOCHS = 7, 1, 0.2, 300


def main() -> None:
    """Measure what is asked for and is not there yet; print the tables."""
    options = SPEED.options(__doc__)
    options.add_argument("--problems", nargs="+", choices=MAPS, default=list(MAPS))
    options.add_argument("--rounds", type=int, help=f"of the epochs, each of the three in turn (default: {ROUNDS})")
    arguments = options.parse_args()
    if "epochs" in arguments.parts and not arguments.print:
        rounds.check_installed()
    SPEED.run(arguments, lacking, asked=lambda row: row["problem"] in arguments.problems)


def lacking(part: str, there: list[Row], arguments: argparse.Namespace) -> Iterator[Row]:
    """Rows of a part that are not there, for every problem asked for."""
    for problem in arguments.problems:
        n_there = sum(row["problem"] == problem for row in there)
        for row in missing(part, problem, n_there, arguments):
            yield row
            print(part, problem, "measured", flush=True)


def missing(name: str, problem: str, n_there: int, arguments: argparse.Namespace) -> Iterator[Row]:
    """The rows that a part still lacks, measured one after the other; a fit's situations come together."""
    if name == "epochs":
        wanted = arguments.rounds or (QUICK_ROUNDS if arguments.quick else ROUNDS)
        if wanted > n_there:
            yield from rounds.rounds(problem, wanted - n_there, QUICK_SHARE if arguments.quick else 1.0)
    elif not n_there and name == "fits":
        yield from fits.fits(problem, QUICK_EPOCHS if arguments.quick else None)
    elif not n_there and name == "parts":
        yield parts.measured(problem, **({"turns": 5, "runs": 2} if arguments.quick else {}))
    elif not n_there:
        yield roofline.measured(problem, **({"n_epochs": 10, "runs": 2} if arguments.quick else {}))


if __name__ == "__main__":
    main()
