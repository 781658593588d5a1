"""Fits in a process that has done nothing before: run by ``fits.py`` as a script, prints JSON.

    python one_process.py PROBLEM FITS [MAX_EPOCHS]

Nothing but Python's own modules is imported until the clock of the import runs. A callback keeps the sources every
hundred epochs; the time it takes to compute and keep them is taken out of the clock. What JAX needed until the first
look to make programs of Python is kept by stages, as JAX itself reports it.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

STAGES = {
    "/jax/core/compile/jaxpr_trace_duration": "traced",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lowered",
    "/jax/core/compile/backend_compile_duration": "compiled",  # or loaded, where the program was kept on disk
}


class Looks:
    """A callback that keeps (epoch, seconds since it was made, sources), and how long programs took before the first.

    ``stages``: the seconds of every stage so far in this process.
    """

    def __init__(self, stages: Mapping[str, float]) -> None:
        self.kept: list[tuple[int, float, Any]] = []
        self.programs: dict[str, float] = {}
        self._stages, self._stages_before = stages, dict(stages)
        self._lost = 0.0
        self._began = time.perf_counter()

    def seconds(self) -> float:
        """Since it was made, its own time left out."""
        return time.perf_counter() - self._began - self._lost

    def __call__(self, report: Any) -> None:
        before, entered = self.seconds(), time.perf_counter()
        if not self.kept:
            self.programs = {stage: total - self._stages_before[stage] for stage, total in self._stages.items()}
        self.kept.append((report.epoch, before, report.sources()))
        self._lost += time.perf_counter() - entered


@contextmanager
def timed_stages() -> Iterator[dict[str, float]]:
    """Seconds that JAX spends on every stage meanwhile, added up as it reports them."""
    from jax import monitoring

    stages = dict.fromkeys(STAGES.values(), 0.0)

    def add(event: str, seconds: float, **_: Any) -> None:
        if event in STAGES:
            stages[STAGES[event]] += seconds

    monitoring.register_event_duration_secs_listener(add)
    try:
        yield stages
    finally:
        monitoring.unregister_event_duration_listener(add)


def main(problem: str, n_fits: int, max_epochs: int | None = None) -> list[dict[str, Any]]:
    """Every fit of this process: its looks, scored afterwards, and the final answer."""
    began = time.perf_counter()
    from stradiff import StrADiff

    imported = time.perf_counter() - began
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from stradiff import matched_correlation
    from stradiff.config import Training
    from timing.problem import MAPS, N_SOURCES, SEED, drawn

    warnings.simplefilter("ignore")  # the answer is scored here, and stdout is for them
    simulation, rows = drawn(problem), []
    with timed_stages() as stages:
        for _ in range(n_fits):
            looks = Looks(stages)
            training = Training(max_epochs=max_epochs, callbacks=(looks,))
            model = StrADiff(N_SOURCES, mixing=MAPS[problem], training=training, random_state=SEED, verbose=False)
            model.fit(simulation.recording.values)
            seconds = looks.seconds()
            mcc = [float(matched_correlation(sources, simulation.sources).mean()) for _, _, sources in looks.kept]
            rows.append(
                {
                    "import_seconds": imported,
                    "looks": [[epoch, when, score] for (epoch, when, _), score in zip(looks.kept, mcc, strict=True)],
                    "programs": looks.programs,
                    "epochs": int(model.n_epochs_),
                    "seconds": seconds,
                    "mcc": float(matched_correlation(model.sources_, simulation.sources).mean()),
                }
            )
    return rows


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], *map(int, sys.argv[2:]))))
