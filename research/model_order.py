"""How often ``n_components="auto"`` is right: a table for the reported seeds, beside criteria that look at eigenvalues.

python research/model_order.py            about three minutes on one core
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA

from stradiff.data.mixings import random_linear
from stradiff.data.model_order import count_sources
from stradiff.data.simulate import ar_sources, gp_sources

RESULTS = Path(__file__).parent / "results"
SEEDS = range(10)
COUNTS = range(2, 11)
NOISE = 0.1  # 20 dB
LENGTHS = (300, 1000, 5000)
CONDITION = 10.0
SOURCES: dict[str, Callable[[int, int, np.random.Generator], np.ndarray]] = {
    "rbf": lambda n_samples, n, rng: gp_sources(n_samples, np.geomspace(50, 3, n), "rbf", rng),
    "matern32": lambda n_samples, n, rng: gp_sources(n_samples, np.geomspace(50, 3, n), "matern32", rng),
    "resonances": lambda n_samples, n, rng: ar_sources(n_samples, np.linspace(0.01, 0.4, n), seed=rng),
}
CHANNELS: dict[str, Callable[[int], int]] = {"2n": lambda n: 2 * n, "12": lambda n: 12, "n": lambda n: n}
NOISES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "20 dB in every channel": lambda clean, rng: clean.std(axis=0),
    "equal in all channels": lambda clean, rng: np.full(clean.shape[1], np.sqrt(np.mean(clean**2))),
    "unequal, up to 4 : 1": lambda clean, rng: np.sqrt(np.mean(clean**2)) * 2.0 ** rng.uniform(-1, 1, clean.shape[1]),
}


def recording(sources: str, n: int, m: int, noise: str, n_samples: int, seed: int) -> np.ndarray:
    """``(T, m)``: n sources mixed linearly, with white noise."""
    rng = np.random.default_rng([seed, n, m])
    clean = SOURCES[sources](n_samples, n, rng) @ random_linear(n, m, CONDITION, rng).matrix.T
    return clean + NOISE * NOISES[noise](clean, rng) * rng.standard_normal(clean.shape)


def minka(values: np.ndarray) -> int:
    """Minka (2000), scikit-learn's, on standardised channels."""
    standardised = (values - values.mean(axis=0)) / values.std(axis=0)
    return int(PCA(n_components="mle", svd_solver="full").fit(standardised).n_components_)


def description_length(values: np.ndarray) -> int:
    """Wax & Kailath (1985), on standardised channels."""
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(values.T))[::-1]
    m, n_samples = len(eigenvalues), len(values)
    tails = [eigenvalues[k:] for k in range(m)]
    misfit = [-n_samples * len(tail) * (np.log(tail).mean() - np.log(tail.mean())) for tail in tails]
    return int(np.argmin([misfit[k] + 0.5 * k * (2 * m - k) * np.log(n_samples) for k in range(m)]))


METHODS = {"auto": count_sources, "Minka": minka, "MDL": description_length}


def right(sources: str, channels: str, noise: str, n_samples: int) -> dict[str, float]:
    """Share of cases, over numbers of sources and seeds, in which each method is right."""
    hits: dict[str, list[bool]] = {name: [] for name in METHODS}
    for n, seed in product(COUNTS, SEEDS):
        values = recording(sources, n, CHANNELS[channels](n), noise, n_samples, seed)
        for name, count in METHODS.items():
            hits[name].append(count(values) == n)
    return {name: float(np.mean(found)) for name, found in hits.items()}


def table(rows: list[dict]) -> str:
    """Shares by noise, channels and length, over sources and conditionings, as Markdown."""
    lines = [
        "# How many sources: share of right answers",
        "",
        f"n = {COUNTS[0]} to {COUNTS[-1]}, seeds {SEEDS[0]} to {SEEDS[-1]}, white noise at 20 dB, mixings of condition "
        f"number {CONDITION:g}, sources {', '.join(SOURCES)} (in brackets: the worst of these). m = n leaves no "
        "direction to noise alone: there criteria on eigenvalues cannot count n. Minka and MDL see standardised "
        "channels and need equal noise in these, which is the first kind. Made by `research/model_order.py`.",
        "",
        "| noise | channels | T | " + " | ".join(METHODS) + " |",
        "|---|---|---|" + "---|" * len(METHODS),
    ]
    for noise, channels, n_samples in product(NOISES, CHANNELS, LENGTHS):
        cell = [r for r in rows if (r["noise"], r["channels"], r["n_samples"]) == (noise, channels, n_samples)]
        shares = [[r[name] for r in cell] for name in METHODS]
        words = [f"{np.mean(share):.2f} ({min(share):.2f})" for share in shares]
        lines.append(f"| {noise} | {channels} | {n_samples} | " + " | ".join(words) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    rows = []
    for case in product(SOURCES, CHANNELS, NOISES, LENGTHS):
        rows.append(dict(zip(("sources", "channels", "noise", "n_samples"), case, strict=True)) | right(*case))
        print(rows[-1], flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "model_order.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "model_order.md").write_text(table(rows), encoding="utf-8")
    print(table(rows))


if __name__ == "__main__":
    main()
