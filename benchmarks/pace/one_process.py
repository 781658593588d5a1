"""Fits in a process that has done nothing before: run by ``fits.py`` as a script, prints JSON.

    python one_process.py PROBLEM FITS [MAX_EPOCHS]

Nothing but Python's own modules is imported until the clock of the import runs. A callback keeps the sources every
hundred epochs; the time it takes to compute and keep them is taken out of the clock.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any


class Looks:
    """A callback that keeps (epoch, seconds since it was made, sources)."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, float, Any]] = []
        self._lost = 0.0
        self._began = time.perf_counter()

    def seconds(self) -> float:
        """Since it was made, its own time left out."""
        return time.perf_counter() - self._began - self._lost

    def __call__(self, report: Any) -> None:
        before, entered = self.seconds(), time.perf_counter()
        self.kept.append((report.epoch, before, report.sources()))
        self._lost += time.perf_counter() - entered


def main(problem: str, n_fits: int, max_epochs: int | None = None) -> list[dict[str, Any]]:
    """Every fit of this process: its looks, scored afterwards, and what was found at the end."""
    began = time.perf_counter()
    from stradiff import StrADiff

    imported = time.perf_counter() - began
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from pace.problem import MAPS, N_SOURCES, SEED, drawn
    from stradiff import matched_correlation

    warnings.simplefilter("ignore")  # remarks on the answer; numbers are judged here, and stdout is for them
    simulation, rows = drawn(problem), []
    for _ in range(n_fits):
        options = {"mixing": MAPS[problem], "max_epochs": max_epochs, "random_state": SEED, "verbose": False}
        looks = Looks()
        model = StrADiff(N_SOURCES, callbacks=[looks], **options).fit(simulation.recording.values)
        seconds = looks.seconds()
        mcc = [float(matched_correlation(sources, simulation.sources).mean()) for _, _, sources in looks.kept]
        rows.append(
            {
                "import_seconds": imported,
                "looks": [[epoch, when, score] for (epoch, when, _), score in zip(looks.kept, mcc, strict=True)],
                "epochs": int(model.n_epochs_),
                "seconds": seconds,
                "mcc": float(matched_correlation(model.sources_, simulation.sources).mean()),
            }
        )
    return rows


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], *map(int, sys.argv[2:]))))
