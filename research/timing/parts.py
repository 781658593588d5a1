"""Where an epoch of preset "paper" goes: its parts with their gradients, each in a compiled loop of its own.

A part alone keeps its numbers in caches that the whole shares, and the whole overlaps what does not depend on each
other: their sum need not be the epoch's time. They show what an epoch consists of.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stradiff.model import Model, numerics
from stradiff.train import objective
from stradiff.train.step import ADAM, StepSettings, init, run
from timing.problem import SEED, first_model, normalised, paper_settings

TURNS, RUNS = 100, 7  # of a part in one program; programs of each part, in turn
EPOCH = "the whole epoch"
Part = Callable[[Model, jax.Array, jax.Array], jax.Array]


def parts(values: jax.Array, nu_y: float) -> dict[str, Part]:
    """What is differentiated, from a model, sources ``(n, T)`` and a key to a number."""

    def diffusion(model: Model, sources: jax.Array, key: jax.Array) -> jax.Array:
        return objective.denoising(model, sources, objective.draw_noise(model, key))

    return {
        "prior of three sources": lambda model, sources, key: model.log_prior(sources, None),
        "reverse path of three sources": lambda model, sources, key: jnp.sum(model.at(sources) ** 2),
        "denoising term, and drawing noise": diffusion,
        "map and reconstruction": lambda model, s, key: objective.reconstruction(values - model.mix(s), nu_y),
    }


def measured(problem: str, turns: int = TURNS, runs: int = RUNS) -> dict[str, Any]:
    """Seconds of an epoch, and of every part of it."""
    config, values = paper_settings(problem), normalised(problem)
    settings, rate = StepSettings.of(config), jnp.float32(config.training.learning_rate)
    observed = jnp.asarray(values, jnp.float32)
    with numerics():
        model = first_model(values, config, jax.random.key(SEED))
        state = init(model, jax.random.key(SEED))
        sources = model.at(jnp.zeros_like(model.branches.start.mean))
        calls: dict[str, Callable[[], Any]] = {
            EPOCH: lambda: run(state, observed, None, settings, rate, jnp.int32(turns)),
            "Adam": _repeated(turns, _adam, model, sources),
        }
        for name, part in parts(observed, config.objective.nu_y).items():
            calls[name] = _repeated(turns, jax.grad(part, argnums=(0, 1)), model, sources)
        for call in calls.values():
            jax.block_until_ready(call())
        seconds = [{name: _seconds(call) / turns for name, call in calls.items()} for _ in range(runs)]
    return {"problem": problem, "seconds": {name: float(np.median([row[name] for row in seconds])) for name in calls}}


def _adam(model: Model, sources: jax.Array, _: jax.Array) -> tuple[Model, jax.Array]:
    return ADAM.update(model, ADAM.init(model))[0], sources


def _repeated(turns: int, change: Callable[..., Any], model: Model, sources: jax.Array) -> Callable[[], Any]:
    """``change(model, sources, key)`` again and again, each time from what the last left: nothing can be left out."""

    @eqx.filter_jit
    def program(model: Model, sources: jax.Array) -> Any:
        def turn(number: jax.Array, carry: tuple[Model, jax.Array]) -> Any:
            change_here = change(*carry, jax.random.key(number))
            return jax.tree.map(lambda old, new: old + 1e-20 * new.astype(old.dtype), carry, change_here)

        return jax.lax.fori_loop(0, turns, turn, (model, sources))

    return lambda: program(model, sources)


def _seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - began
