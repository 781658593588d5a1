"""What do restarts cost as one batch? A hundred epochs of one fit beside those of several mapped into one program.

    python benchmarks/batch.py              # about five minutes on two cores, most of it compiling
    python benchmarks/batch.py --print      # the table of the results that are there

Leaky-ReLU mixing, T = 1000, n = 3, default settings with an MLP map, development seed 100. All sizes are timed in one
process, each as the least of several runs; the ratio counts, not the seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Mapped over fits, factorisations become batches of them. Two such batches that XLA runs side by side wait for each
# other for ever when its pool has as many threads as this machine has cores, two: so it gets more.
os.environ["NPROC"] = "16"

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stradiff.fitting import trainer
from stradiff.fitting.warm_start import initial_model
from stradiff.model.numerics import numerics
from stradiff.observations import fit_normaliser, simulate
from stradiff.presets import resolve

RESULTS = Path(__file__).parent / "results"
SIZES, RUNS, SEED = (1, 2, 4, 8), 5, 100


def main() -> None:
    """Measure, or read what was measured; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", help="print the table of the results that are there")
    path = RESULTS / "batch.json"
    if not parser.parse_args().print:
        path.write_text(json.dumps(measured()) + "\n")
    printed = table(json.loads(path.read_text()))
    path.with_suffix(".md").write_text(printed + "\n")
    print(printed)


def measured() -> list[dict[str, float]]:
    """Seconds of a hundred epochs for every size of the batch."""
    values = simulate("leaky_relu", seed=SEED).recording.values
    observed = jnp.asarray(fit_normaliser(values, "whiten").forward(values), jnp.float32)
    settings = resolve("default", 3, {"mixing": "mlp"})
    rate, count = jnp.float32(settings.learning_rate), jnp.int32(trainer.CHUNK)

    def start(seed: int) -> trainer.TrainState:
        model_key, train_key = jax.random.split(jax.random.key(seed))
        return trainer.init(initial_model(np.asarray(observed), None, settings, model_key), train_key)

    with numerics():
        numbers, rest = zip(*(eqx.partition(start(seed), eqx.is_array) for seed in range(max(SIZES))), strict=True)

        def epochs(state: Any) -> Any:
            done = trainer.run(eqx.combine(state, rest[0]), observed, None, settings.training, rate, count)
            return eqx.filter(done, eqx.is_array)

        runs: dict[int, tuple[Callable[[Any], Any], Any]] = {1: (jax.jit(epochs), numbers[0])}
        for size in SIZES[1:]:
            stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *numbers[:size])
            runs[size] = (jax.jit(jax.vmap(epochs)), stacked)
        seconds = {size: [timed(*run) for run in [runs[size]] * (RUNS + 1)][1:] for size in SIZES}
    return [{"fits": size, "seconds": min(seconds[size])} for size in SIZES]


def timed(call: Callable[[Any], Any], state: Any) -> float:
    """Seconds of one call; the first compiles."""
    began = time.perf_counter()
    jax.block_until_ready(call(state))
    return time.perf_counter() - began


def table(rows: list[dict[str, float]]) -> str:
    """Markdown: the cost of a batch in single fits."""
    single = rows[0]["seconds"]
    lines = ["| fits in the batch | seconds for 100 epochs | in single fits |", "|---|---|---|"]
    lines += [f"| {row['fits']} | {row['seconds']:.2f} | {row['seconds'] / single:.1f} |" for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
