"""One method on one recording, as a row of the results: every score of the tables, with time and memory."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from contest.methods import METHODS, Outcome
from contest.problems import Example, Problem
from stradiff.assess import amari_distance, explained_variance, matched_correlation, si_sdr

LARGEST_SDR = 100.0  # dB; the oracle's error without noise is rounding alone, and JSON has no infinity


def measure(problem: Problem, method: str, seed: int, real: Path | None = None) -> dict[str, Any]:
    """Run ``method`` and score it. Memory is the peak above what the process held before, so give it a fresh one."""
    example = problem.draw(seed, real)
    memory, cpu, began = peak_memory(), time.process_time(), time.perf_counter()
    outcome = METHODS[method](problem, example, seed)
    return {
        "problem": problem.name,
        "method": method,
        "seed": seed,
        **scores(outcome, example),
        "seconds": round(time.perf_counter() - began, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "peak_mb": round(peak_memory() - memory, 1),
        **outcome.facts,
    }


def scores(outcome: Outcome, example: Example) -> dict[str, Any]:
    """How close the answer is to the truth; ``None`` where a score does not apply."""
    S_hat, S = outcome.sources, example.sources
    row: dict[str, Any] = {
        "pearson": _plain(matched_correlation(S_hat, S), 5),
        "spearman": _plain(matched_correlation(S_hat, S, "spearman"), 5),
        "si_sdr": _plain(np.clip(si_sdr(S_hat, S), -LARGEST_SDR, LARGEST_SDR), 2),
        "amari": None,
        "explained_variance": None,
    }
    if outcome.unmixing is not None and example.matrix is not None:
        row["amari"] = round(amari_distance(outcome.unmixing, example.matrix), 5)
    if outcome.reconstruction is not None:
        row["explained_variance"] = round(float(explained_variance(example.observed, outcome.reconstruction)), 5)
    return row


def peak_memory() -> float:
    """The most memory this process has held so far, in MB."""
    unit = 1e-6 if sys.platform == "darwin" else 1024e-6  # macOS counts bytes, Linux kibibytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _plain(values: np.ndarray, digits: int) -> list[float]:
    return [round(float(value), digits) for value in values]
