"""Does the objective find the start that ends nearest to the truth? Nonlinear mixtures, six starts each.

    python research/ranking.py                     # what is not in the results yet; minutes for each recording
    python research/ranking.py --print --publish   # the table of the results, and into research/accuracy.md

Every start of ``n_restarts=6`` (``stradiff/train/restarts.py``) is trained to its end, none is dropped. The objective
is read after the same number of epochs of each, over the hundred epochs before, and at each one's own end; the truth
scores the sources at the end. Seeds 100 to 102 are those on which the epoch of the choice was settled, those from 103
on had not been looked at for it. White channels (m = n) are whitened to the end, the recordings being free of noise,
where ``StrADiff`` stops at what passes for noise. Rows are kept in ``research/results/ranking.json`` as they come.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from contest.problems import Problem, draw
from one_table import run
from scipy.stats import spearmanr

from stradiff import mean_correlation
from stradiff.config import Configuration, resolve
from stradiff.data import fit_normaliser
from stradiff.initialise import initialise
from stradiff.initialise.seeds import restart_seed
from stradiff.model.numerics import numerics
from stradiff.train.restarts import RESTART_RUNG, candidate_objectives
from stradiff.train.training import TrainingRun

PROBLEMS = {
    problem.name: problem
    for problem in (
        Problem("leaky-ReLU, 2 layers", "leaky_relu"),
        Problem("tanh", "tanh"),
        Problem("leaky-ReLU, 3 layers, m = 6", "leaky_relu", n_layers=3, n_channels=6),
    )
}
CHOSEN_ON, UNSEEN = range(100, 103), range(103, 105)
STARTS, EPOCHS = 6, (100, 200, 500, 1000)
END = "end"


def measure(case: str, seed: int) -> dict[str, Any]:
    """Objectives of every start, and the mean correlation with the truth of what it ends at."""
    problem = PROBLEMS[case]
    example = draw(problem, seed)
    config = resolve("default", Configuration(n_sources=problem.n_sources, mixing=problem.map))
    normaliser = fit_normaliser(
        example.observed, "whiten" if problem.n_channels == problem.n_sources else "standardise"
    )
    observed = normaliser.forward(example.observed).astype(np.float32)
    row: dict[str, Any] = {"case": case, "seed": seed, "mcc": [], "objective": {str(e): [] for e in (*EPOCHS, END)}}
    with numerics():
        starts = initialise(observed, None, config, seed=seed)
        if len(starts.candidates) > 1:
            starts = starts.ranked(np.argsort(candidate_objectives(starts), kind="stable").tolist())
        for number in range(STARTS):
            training = TrainingRun(starts, starts.start(number), restart_seed(seed, number))
            training.go_on(config.training.max_epochs, ())
            result = training.result()
            total = result.history["total"]
            for epoch in (*EPOCHS, END):
                last = total[:epoch] if epoch != END else total
                row["objective"][str(epoch)].append(round(float(last[-RESTART_RUNG.averaged :].mean()), 1))
            row["mcc"].append(round(mean_correlation(np.asarray(result.model.at_mean()).T, example.sources), 5))
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: how well each objective ranks the starts, and what comes of taking the one that it says is best."""
    lines = [
        "| recordings | objective | rank correlation with MCC, median (worst) | MCC of its choice, median (worst) "
        "| below the best of six, mean | first start | mean of the six |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in PROBLEMS:
        for name, seeds in (("", CHOSEN_ON), (", unseen", UNSEEN)):
            mine = [row for row in rows if row["case"] == case and row["seed"] in seeds]
            lines += [line(f"{case}{name} ({len(mine)})", epoch, mine) for epoch in (*EPOCHS, END) if mine]
    return "\n".join(lines)


def line(name: str, epoch: int | str, rows: list[dict[str, Any]]) -> str:
    """The row of one objective."""
    ranks = [-spearmanr(row["objective"][str(epoch)], row["mcc"]).statistic for row in rows]
    taken = [row["mcc"][int(np.argmin(row["objective"][str(epoch)]))] for row in rows]
    best, mean = [max(row["mcc"]) for row in rows], [float(np.mean(row["mcc"])) for row in rows]
    cells = [
        name,
        "at each one's end" if epoch == END else f"after {epoch:,} epochs",
        f"{np.median(ranks):+.2f} ({min(ranks):+.2f})",
        f"{np.median(taken):.4f} ({min(taken):.4f})",
        f"{np.mean(np.array(best) - taken):.4f}",
        f"{np.median([row['mcc'][0] for row in rows]):.4f} ({min(row['mcc'][0] for row in rows):.4f})",
        f"{np.median(mean):.4f}",
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    run(
        __doc__,
        "ranking",
        PROBLEMS,
        measure,
        table,
        title="Does the objective find the start that ends nearest to the truth?",
        page="accuracy.md",
        kind="ranking",
        seeds_of=lambda case: (*CHOSEN_ON, *UNSEEN),
    )
