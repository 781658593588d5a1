"""How near an epoch comes to what the machine allows (the roofline; Williams, Waterman & Patterson 2009).

The least that an epoch of preset "paper" must do, by any implementation:

* **Bytes.** Adam keeps two moments for each of P parameters. All three numbers are read and written every epoch, four
  bytes each: 24 P. Everything else (activations, derivatives, weights met a second time) could stay in a cache.
* **Operations.** The products with weights, once forward and twice for the derivatives (by the weights and by what
  they multiply), of three parts. The reverse path, by the cheaper of two exact ways: L times through the whole
  network, or in the code of its first layer (``stradiff.model.diffusion.reverse``), which first multiplies the two
  outer layers. The network once more for the denoising term. The map. To this comes Adam, ADAM operations a
  parameter. Activations and the prior, of order T log T, are left out.

No epoch can take less than the longer of (bytes / bandwidth) and (operations / peak). The bandwidth is that of a triad
over as many bytes as the parameters, moments and derivatives take, which may well lie in a cache. XLA's own account of
the compiled epoch stands beside it. It takes every operation for itself, so that what passes from one to the next
counts as moved; it counts the body of a loop once, however often it runs, and calls of the linear algebra library not
at all.
"""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stradiff.config import Configuration
from stradiff.model import Model, numerics
from stradiff.train.step import CHUNK, StepSettings, TrainState, init, run, step
from timing import machine
from timing.problem import SEED, first_model, normalised, paper_settings

ADAM = 14  # operations on a parameter: 3 for the first moment, 4 for the second, 7 for the step
RUNS = 9


class Work(NamedTuple):
    """Of one epoch."""

    flops: float
    bytes: float


def least(config: Configuration, n_samples: int, n_channels: int, n_parameters: int) -> Work:
    """The account above."""
    network, length = config.network(n_samples), config.diffusion.n_steps
    inner = 2 * network.width**2  # operations of a width x width product
    outer, between = 2 * n_samples * network.width, network.depth - 1  # of the first or the last layer; hidden ones
    stepwise = length * (2 * outer + between * inner)
    in_code = n_samples * inner + 2 * outer + length * (between + 1) * inner
    branch = min(stepwise, in_code) + 2 * outer + between * inner
    hidden = [] if config.mixing.is_linear else config.mixing.depth * [config.mixing.width]
    sizes = [config.n_sources, *hidden, n_channels]
    mixing = 2 * n_samples * sum(into * out for into, out in pairwise(sizes))
    return Work(3.0 * (config.n_sources * branch + mixing) + ADAM * n_parameters, 24.0 * n_parameters)


def count(model: Model) -> int:
    """P, the number of parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(model))


def measured(problem: str, n_epochs: int = CHUNK, runs: int = RUNS) -> dict[str, Any]:
    """Epochs, triads and products in turn, in one process; with the two accounts."""
    config, values = paper_settings(problem), normalised(problem)
    settings, rate = StepSettings.of(config), jnp.float32(config.training.learning_rate)
    observed = jnp.asarray(values, jnp.float32)
    with numerics():
        state = init(first_model(values, config, jax.random.key(SEED)), jax.random.key(SEED))
        n_parameters = count(state.model)
        held = 16.0 * n_parameters  # bytes of parameters, two moments and derivatives

        def epochs() -> float:
            nonlocal state
            began = time.perf_counter()
            state, _ = run(state, observed, None, settings, rate, jnp.int32(n_epochs))
            jax.block_until_ready(state)
            return (time.perf_counter() - began) / n_epochs

        epochs()
        rows = [
            {
                "epoch": epochs(),
                "bandwidth": machine.bandwidth(held, 2),
                "bandwidth_far": machine.bandwidth(machine.LARGE, 1),
                "peak": machine.peak(runs=1),
            }
            for _ in range(runs)
        ]
        counted = xla_count(state, observed, config)
    spent = {"epoch": float(np.median([row["epoch"] for row in rows]))}
    best = {name: max(row[name] for row in rows) for name in ("bandwidth", "bandwidth_far", "peak")}
    account = least(config, *values.shape, n_parameters)
    return {
        "problem": problem,
        "parameters": n_parameters,
        "held": held,
        **spent,
        **best,
        "least": account._asdict(),
        "xla": counted._asdict(),
    }


def xla_count(state: TrainState, observed: jax.Array, config: Configuration) -> Work:
    """XLA's account of one compiled epoch."""

    def epoch(state: TrainState) -> TrainState:
        return step(state, observed, None, StepSettings.of(config), config.training.learning_rate)[0]

    analysis = eqx.filter_jit(epoch).lower(state).compile().compiled.cost_analysis()
    return Work(float(analysis["flops"]), float(analysis["bytes accessed"]))


def bound(row: dict[str, Any]) -> dict[str, float]:
    """Seconds below which no epoch can be, by what must be moved and by what must be computed."""
    work = row["least"]
    return {"bytes": work["bytes"] / row["bandwidth"], "flops": work["flops"] / row["peak"]}


def share(row: dict[str, Any]) -> float:
    """Of the speed that the bound allows."""
    return max(bound(row).values()) / row["epoch"]
