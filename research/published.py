"""How well does it separate the data of others? Published generators, on the benchmark of ``accuracy.py``.

    python research/published.py                                      # everything that is not in the results yet
    python research/published.py --methods SOBI FastICA Picard "best linear (oracle)"
    python research/published.py --tiers matrix --seeds 100 101 102 --results tried.json
    python research/published.py --print                              # what is there already

Runner, methods, scores, and tables are those of ``contest``; the generators are in ``generators``, each with its paper
and what differs from it. Seeds 0 to 9 are for the tables alone; those from 100 on may be looked at while
anything is chosen. Rows are kept in ``research/results/published.json`` as they come.
"""

from __future__ import annotations

from accuracy import RESULTS, options, update
from contest.methods import DEFAULT, ORACLE, PEERS
from contest.tiers import Tier
from generators import problem

SEEDS = tuple(range(10))
LINEAR = (DEFAULT, "SOBI", "FastICA", "Picard", ORACLE)
LAWS = ("tcl", "ivae", "pcl", "iia", "hm_nlica", "snica", "leap")


def tier(name: str, title: str, *problems: object, methods: tuple[str, ...] = LINEAR) -> Tier:
    """Problems without a target: there are no published figures for so short recordings."""
    return Tier(name, title, tuple(problems), {}, methods, SEEDS)


TIERS = {
    one.name: one
    for one in (
        tier("matrix", "Published sources, a matrix", *(problem(law) for law in LAWS)),
        tier(
            "networks",
            "Published sources, a network",
            *(problem(law, layers=2) for law in LAWS),
            methods=(*LINEAR, *PEERS),
        ),
    )
}

if __name__ == "__main__":
    update(options(TIERS, __doc__).parse_args(), TIERS, RESULTS / "published.json")
