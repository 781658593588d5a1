"""What do restarts cost? Several fits mapped into one program, and several beside each other, in single fits.

    python research/batch.py              # about twenty minutes on two cores
    python research/batch.py --print --publish    # the table of the results that are there, also in speed.md

Leaky-ReLU mixing, T = 1000, n = 3, default settings with an MLP map, development seed 100. One fit and several of one
kind are timed in turn in one process, and their ratio is taken round by round; it counts, not the seconds. "The best
goes on" is what ``n_restarts`` does, from the initialisation to the end, at 3,000 epochs, about what a fit takes.
"Beside each other" are fits that all go to the end, at 500 epochs, before the first rung ends; "one program" is a
hundred epochs alone. "On one core" is one fit of 500 epochs in a process that has no second core: eight of these, over
two cores, is what eight fits to the end could take.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pages

RESULTS, PAGE = Path(__file__).parent / "results", Path(__file__).parent / "speed.md"
SIZES, SEED = (2, 4, 8), 100
HALVED, MAPPED, BESIDE, ALONE = "the best goes on", "one program", "beside each other", "on one core"
EPOCHS, ROUNDS = {HALVED: 3000, BESIDE: 500, ALONE: 500}, {HALVED: 3, MAPPED: 7, BESIDE: 7, ALONE: 7}
# Mapped over fits, factorisations become batches of them. Two such batches that XLA runs side by side wait for each
# other for ever when its pool has as many threads as the machine has cores, two: so it gets more there.
THREADS = {HALVED: {}, MAPPED: {"NPROC": "16"}, BESIDE: {}, ALONE: {}}


def main() -> None:
    """Measure, each way in a process of its own, or read what was measured; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", help="print the table of the results that are there")
    parser.add_argument("--publish", action="store_true", help="put the table into research/speed.md as well")
    parser.add_argument("--way", choices=THREADS, help="measure one way in this process, and print its rows as JSON")
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(WAYS[arguments.way]()))
        return
    path = RESULTS / "batch.json"
    if not arguments.print:
        rows = [row for way in THREADS for row in in_a_process(way)]
        single = next(row["seconds"] for row in rows if row["way"] == BESIDE)
        rows[-1] |= dict.fromkeys(("in_single_fits", "worst"), rows[-1]["seconds"] / single)
        path.write_text(json.dumps(rows, indent=1) + "\n")
    printed = table(json.loads(path.read_text()))
    path.with_suffix(".md").write_text(printed + "\n")
    print(printed)
    if arguments.publish:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(pages.filled(page, "batch", lambda _: printed), encoding="utf-8")


def in_a_process(way: str) -> list[dict[str, Any]]:
    """The rows of one way."""
    command = [sys.executable, __file__, "--way", way]
    done = subprocess.run(command, env={**os.environ, **THREADS[way]}, check=True, capture_output=True, text=True)
    rows: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return rows


def in_turn(way: str, single: Callable[[], Any], several: dict[int, Callable[[], Any]]) -> list[dict[str, Any]]:
    """One fit and every number of them, round by round; the first round compiles and is left out."""
    all_of_them = {1: single, **several}
    seconds = [{size: timed(run) for size, run in all_of_them.items()} for _ in range(ROUNDS[way] + 1)][1:]
    return [
        {
            "way": way,
            "fits": size,
            "seconds": median(one[size] for one in seconds),
            "in_single_fits": median(one[size] / one[1] for one in seconds),
            "worst": max(one[size] / one[1] for one in seconds),
        }
        for size in all_of_them
    ]


def recording(epochs: int):
    """Normalised observations, and the configuration of a fit of so many epochs."""
    from stradiff.config import Configuration, Training, resolve
    from stradiff.data import fit_normaliser, simulate

    values = simulate("leaky_relu", seed=SEED).recording.values
    training = Training(max_epochs=epochs, tol=0.0)
    config = resolve("default", Configuration(n_sources=3, mixing="mlp", training=training))
    return fit_normaliser(values, "whiten").forward(values).astype("float32"), config


def whole(way: str) -> list[dict[str, Any]]:
    """Whole fits, as ``n_restarts`` has them: compared after a rung if they are long enough."""
    from stradiff.initialise import initialise
    from stradiff.model.numerics import numerics
    from stradiff.train import train

    observed, config = recording(EPOCHS[way])

    def several(size: int) -> Callable[[], Any]:
        return lambda: train(initialise(observed, None, config.replace(n_restarts=size)))

    with numerics():
        return in_turn(way, several(1), {size: several(size) for size in SIZES})


def alone() -> list[dict[str, Any]]:
    """One fit in a process that has a single core; what it is in single fits is known once those are there."""
    from stradiff.initialise import initialise
    from stradiff.model.numerics import numerics
    from stradiff.train import train

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before JAX counts the cores
    observed, config = recording(EPOCHS[ALONE])
    with numerics():
        return in_turn(ALONE, lambda: train(initialise(observed, None, config)), {})


def mapped() -> list[dict[str, Any]]:
    """A hundred epochs of stacked states, by vmap."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    from stradiff.initialise import initialise
    from stradiff.model.numerics import numerics
    from stradiff.train.step import CHUNK, StepSettings, TrainState, init, run

    observed, config = recording(CHUNK)
    rate, count = jnp.float32(config.training.learning_rate), jnp.int32(CHUNK)

    def start(seed: int) -> TrainState:
        model_key, train_key = jax.random.split(jax.random.key(seed))
        initialisation = initialise(observed, None, config)
        return init(initialisation.model(initialisation.start(0), model_key), train_key)

    with numerics():
        numbers, rest = zip(*(eqx.partition(start(seed), eqx.is_array) for seed in range(max(SIZES))), strict=True)

        def epochs(state: Any) -> Any:
            done = run(eqx.combine(state, rest[0]), observed, None, StepSettings.of(config), rate, count)
            return eqx.filter(done, eqx.is_array)

        def waited_for(call: Callable[[Any], Any], state: Any) -> Callable[[], Any]:
            return lambda: jax.block_until_ready(call(state))

        several = {size: jax.tree.map(lambda *leaves: jnp.stack(leaves), *numbers[:size]) for size in SIZES}
        batch = jax.jit(jax.vmap(epochs))
        calls = {size: waited_for(batch, state) for size, state in several.items()}
        return in_turn(MAPPED, waited_for(jax.jit(epochs), numbers[0]), calls)


WAYS = {HALVED: partial(whole, HALVED), MAPPED: mapped, BESIDE: partial(whole, BESIDE), ALONE: alone}


def timed(call: Callable[[], Any]) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: the cost of several fits in single ones."""
    lines = ["| several fits as | fits | seconds | in single fits, median | worst round |", "|---|---|---|---|---|"]
    lines += [
        f"| {row['way']} | {row['fits']} | {row['seconds']:.2f} | {row['in_single_fits']:.1f} | {row['worst']:.1f} |"
        for row in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
