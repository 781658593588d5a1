"""What an epoch costs as a recording gets longer, or has more sources, more channels, more reverse steps.

Training alone, compiled before the clock runs, from a random model whose sources remember twenty samples. Of a long
recording an epoch sees one segment: a pass over the record is then as many epochs as it has segments.
"""

from __future__ import annotations

import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from scaling.memory import Peak
from scaling.one_process import Row
from stradiff.config import Configuration, Diffusion, MonteCarlo, resolve
from stradiff.initialise.model import random_model
from stradiff.model import numerics
from stradiff.model.priors import GaussianProcess
from stradiff.posterior.memory import memory_estimate
from stradiff.train import minibatch_step, step
from stradiff.train.loop import minibatches_of
from stradiff.train.step import CHUNK, StepSettings

LIMIT = 900.0
MEMORY = 20  # samples, the length-scale of every source
CHUNKS, LEAST = 3, 1.0  # medians are over so many chunks, each of as many epochs as take so many seconds
USUAL: Row = {"mixing": "linear", "T": 2000, "n": 3, "m": 3, "L": 20}
LINES: dict[str, tuple[Row, list[Row]]] = {
    "T": ({}, [{"T": T} for T in (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)]),
    "T, network": ({"mixing": "mlp"}, [{"T": T} for T in (1_000, 10_000, 100_000, 1_000_000)]),
    "n": ({}, [{"n": n, "m": n} for n in (1, 4, 16, 64)]),
    "m": ({}, [{"m": m} for m in (3, 16, 64, 256)]),
    "m, in windows": ({"T": 100_000, "n": 64}, [{"m": m} for m in (64, 256)]),
    "L": ({}, [{"L": L} for L in (5, 20, 80)]),
}
"""What changes along each line, and what is unlike the usual on all of it."""


def cases(quick: bool) -> list[Row]:
    """Every place on every line."""
    ends = slice(2) if quick else slice(None)
    return [
        {"line": line, **USUAL, **on_all, **one} for line, (on_all, places) in LINES.items() for one in places[ends]
    ]


def measured(case: Row) -> Row:
    """Seconds of an epoch and of a pass over the record, memory of training, and what the library estimates."""
    with numerics():
        config = configuration_of(case)
        observed = np.random.default_rng(0).standard_normal((case["T"], case["m"])).astype(np.float32)
        jax.block_until_ready(jnp.ones(3) + 1.0)
        peak, began = Peak(), time.perf_counter()
        advance = _training(jnp.asarray(observed), config)
        advance(1)
        ready, taken = time.perf_counter() - began, peak.bytes()
        peak.forget()
        seconds = median_epoch(advance)
    segments = minibatches_of(case["T"], config, regular=True)
    training = config.replace(uncertainty=MonteCarlo())  # without the posterior, which is not run here
    return {
        "epoch": seconds,
        "epochs_per_pass": 1 if segments is None else segments.count,
        "network": config.network(case["T"]).name,
        "until_ready": ready,
        "memory": taken,
        "running": peak.bytes(),
        "estimated": memory_estimate(case["T"], case["m"], training),
    }


def configuration_of(case: Row) -> Configuration:
    """The default preset, its length-scales given in place of estimated."""
    prior, diffusion = GaussianProcess(length_scale=MEMORY / (case["T"] - 1)), Diffusion(n_steps=case["L"])
    given = Configuration(n_sources=case["n"], mixing=case["mixing"], prior=prior, diffusion=diffusion)
    return resolve("default", given)


def _training(observed: jax.Array, config: Configuration) -> Any:
    """A function that trains for so many epochs more."""
    key, model_key, start_key = jax.random.split(jax.random.key(0), 3)
    model = random_model(*observed.shape, config, model_key)
    mean = jax.random.normal(start_key, model.branches.start.mean.shape, jnp.float32)
    model = eqx.tree_at(lambda m: m.branches.start.mean, model, mean)
    segments = minibatches_of(len(observed), config, regular=True)
    settings, rate = StepSettings.of(config), jnp.float32(config.training.learning_rate)
    state: Any = step.init(model, key) if segments is None else minibatch_step.init(model, key, segments)
    del model, mean

    def advance(n_epochs: int) -> None:
        nonlocal state
        count = jnp.int32(n_epochs)
        if segments is None:
            state, _ = step.run(state, observed, None, settings, rate, count)
        else:
            state, _ = minibatch_step.run(state, observed, segments, settings, rate, count)
        jax.block_until_ready(state)

    return advance


def median_epoch(advance: Any) -> float:
    """Seconds of an epoch, by chunks that last."""
    n_epochs = int(np.clip(LEAST / _seconds(advance, 2), 2, CHUNK))
    return float(np.median([_seconds(advance, n_epochs) for _ in range(CHUNKS)]))


def _seconds(advance: Any, n_epochs: int) -> float:
    began = time.perf_counter()
    advance(n_epochs)
    return (time.perf_counter() - began) / n_epochs


def per_pass(row: Row) -> float:
    """Seconds of as many epochs as see every sample once: what to compare where some epochs see one segment."""
    return row["epoch"] * row["epochs_per_pass"]


def exponent(sizes: Any, costs: Any) -> float:
    """Slope of a straight line through the logarithms: cost ~ size^slope."""
    return round(float(np.polyfit(np.log(sizes), np.log(costs), 1)[0]), 6) + 0.0  # never -0
