"""How well does it separate the data of others? Published generators, on the benchmark of ``accuracy.py``.

    python research/published.py                                      # everything that is not in the results yet
    python research/published.py --here --methods SOBI FastICA Picard "best linear (oracle)"    # a few minutes
    python research/published.py --tiers matrix --seeds 100 101 102 --results tried.json
    python research/published.py --print                              # what is there already

Runner, methods, scores, and tables are those of ``contest``; the generators are in ``generators``, each with its paper
and what differs from it. Seeds 0 to 9 are for the tables alone; those from 100 on may be looked at while
anything is chosen. Rows are kept in ``research/results/published.json`` as they come, and what was measured while
StrADiff was developed in ``published-development.json``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from accuracy import RESULTS, options, update
from contest import tables
from contest.methods import DEFAULT, ORACLE, PEERS
from contest.problems import Problem
from contest.targets import Row, mean_of
from contest.tiers import LEAKY, LEAKY_3, TANH, Tier
from generators import PAPERS, decibels, problem
from generators.head import head

SEEDS = tuple(range(10))
WITHOUT_PEERS = (DEFAULT, "SOBI", "FastICA", "Picard", ORACLE)
WITH_PEERS = (*WITHOUT_PEERS, *PEERS)
LAWS = tuple(law for law in PAPERS if law != "tp_nica")
"""Of single recordings."""
SHARES = (0.05, 0.15)
"""Of noise in the variance."""


def tier(name: str, title: str, *problems: Problem, methods: tuple[str, ...] = WITHOUT_PEERS) -> Tier:
    """Problems without a target: nothing was published on recordings so short."""
    return Tier(name, title, problems, {}, methods, SEEDS)


def noisy(base: Problem, share: float, **changes: Any) -> Problem:
    """A problem of the benchmark with noise of a given share of the variance."""
    changed = replace(base, **changes)
    words = tables.describe(replace(changed, noise=0.0)).replace("no noise", decibels(share))
    name = f"{base.name}, m = {changed.n_channels}, {share:.0%} noise variance" if share else base.name
    return replace(changed, name=name, noise=math.sqrt(share), description=words)


def real(mixing: str, words: str) -> tuple[Problem, ...]:
    """The real sources behind one kind of mixing, without noise and with the lesser share."""
    base = Problem(f"real sources, {words}", mixing, "real", n_sources=4, n_channels=4)
    return tuple(noisy(base, share) for share in (0.0, SHARES[0]))


def several(law: str, layers: int, n_recordings: int, length: int, **settings: Any) -> Problem:
    """Recordings of one mixing."""
    kind, process = "matrix" if layers == 1 else f"{layers} layers", "Student-t" if "freedom" not in settings else "GP"
    return problem(
        law,
        layers=layers,
        n_samples=n_recordings * length,
        n_recordings=n_recordings,
        name=f"tp-NICA, {process}, {kind}, {n_recordings} x {length}",
        **settings,
    )


MEANS = "iVAE with means"
WITH_MEANS = {layers: problem("ivae", layers=layers, mean=5.0, name=f"{MEANS}, {layers} layers") for layers in (2, 3)}
GAUSSIAN = {"freedom": None}
AS_PUBLISHED = problem("ivae", layers=4, n_samples=80_000, n_segments=40, name="iVAE, 4 layers, 40 x 2,000")
"""Their own MCC here is .74 to .83."""

TIERS = {
    one.name: one
    for one in (
        tier(
            "matrix",
            "Published sources, a matrix",
            *(problem(law) for law in LAWS),
            problem("ivae", mean=5.0, name=f"{MEANS}, matrix"),
        ),
        tier(
            "networks",
            "Published sources, a network",
            *(problem(law, layers=layers) for layers in (2, 3) for law in LAWS),
            *WITH_MEANS.values(),
            methods=WITH_PEERS,
        ),
        tier("long", "Published sources, a matrix, T = 5,000", *(problem(law, n_samples=5000) for law in LAWS)),
        tier(
            "long_networks",
            "Published sources, a network, T = 5,000",
            *(problem(law, layers=2, n_samples=5000) for law in LAWS),
            problem("ivae", layers=4, n_samples=5000),
            AS_PUBLISHED,
            methods=WITH_PEERS,
        ),
        tier(
            "recordings",
            "Several recordings of one mixing",
            *(several("tp_nica", layers, 5, 200, **law) for layers in (1, 2) for law in (GAUSSIAN, {})),
            several("tp_nica", 1, 20, 250),
            several("tp_nica", 2, 20, 250),
        ),
        tier("heads", "Like an EEG", head(32), head(64), head(128, n_bad=4), head(32, 5000)),
        tier(
            "real",
            "Real sources",
            *real("linear", "matrix"),
            *real("saturation", "tanh(0.5 x)"),
            *real("post_nonlinear", "tanh(x) + 0.1 x"),
            *real("leaky_relu", "leaky-ReLU, 2 layers"),
            methods=WITH_PEERS,
        ),
        tier(
            "noisy",
            "Nonlinear mixing with noise",
            *(noisy(base, share, n_channels=m) for base in (LEAKY, LEAKY_3, TANH) for m in (3, 6) for share in SHARES),
            methods=WITH_PEERS,
        ),
    )
}


def overview(rows: Sequence[Row]) -> str:
    """A line per problem: the median MCC of every method over seeds, the worst of StrADiff, and what it said."""
    methods = [method for method in WITH_PEERS if any(row["method"] == method for row in rows)]
    heads = [head for method in methods for head in ((method, f"{method}, worst") if method == DEFAULT else (method,))]
    lines = ["| problem | map | " + " | ".join([*heads, "findings"]) + " |", "|---" * (len(heads) + 3) + "|"]
    for one in (one for tier in TIERS.values() for one in tier.problems):
        scores = tables.by_method([row for row in rows if row["problem"] == one.name])
        cells = []
        for method in methods:
            means = mean_of(scores, method) if method in scores else None
            cells.append("" if means is None else f"{np.median(means):.3f}")
            if method == DEFAULT:
                cells.append("" if means is None else f"{means.min():.3f}")
        said = sorted({note for row in scores.get(DEFAULT, {}).values() for note in row["notes"]})
        if scores:
            lines.append(f"| {one.name} | {one.map} | " + " | ".join([*cells, ", ".join(said)]) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing, and put the overview before the tables."""
    arguments = options(TIERS, __doc__).parse_args()
    path: Path = arguments.results or RESULTS / "published.json"
    rows = update(arguments, TIERS, path)
    page = path.with_suffix(".md")
    page.write_text(f"{overview(rows)}\n\n{page.read_text()}")
    print(overview(rows))


if __name__ == "__main__":
    main()
