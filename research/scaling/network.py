"""Convolutional branches beside dense ones on short recordings, where both can be afforded."""

from __future__ import annotations

import time
import warnings
from typing import Any

from scaling.one_process import Row
from stradiff import StrADiff, matched_correlation, simulate
from stradiff.config import Diffusion, Training

LIMIT = 3600.0
SEEDS, T, N_SOURCES = 5, 1000, 3
NETWORKS = ("dense", "convolutional")
PROBLEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "leaky_relu": ("mlp", {}),
    "linear, 10 % noise, m = 6": ("linear", {"n_channels": 6, "noise": 0.1}),
}


def cases(quick: bool) -> list[Row]:
    """A process for every problem and network, which draws all the seeds."""
    short = {"seeds": 1, "max_epochs": 200} if quick else {"seeds": SEEDS, "max_epochs": None}
    return [{"problem": problem, "network": network, **short} for problem in PROBLEMS for network in NETWORKS]


def measured(case: Row) -> Row:
    """Mean matched correlation, seconds and epochs of every seed."""
    mixing, drawn = PROBLEMS[case["problem"]]
    rows: list[tuple[float, float, int]] = []
    for seed in range(case["seeds"]):
        simulation = simulate(case["problem"].partition(",")[0], n_samples=T, seed=seed, **drawn)
        model = StrADiff(
            N_SOURCES,
            mixing=mixing,
            diffusion=Diffusion(network=case["network"]),
            training=Training(max_epochs=case["max_epochs"]),
            random_state=seed,
            verbose=False,
        )
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on the answer; it is judged by the truth here
            model.fit(simulation.recording.values)
        seconds = time.perf_counter() - began
        rows.append((float(matched_correlation(model.sources_, simulation.sources).mean()), seconds, model.n_epochs_))
    return dict(zip(("mcc", "seconds", "epochs"), map(list, zip(*rows, strict=True)), strict=True))
