"""Gradient ascent of a prior's parameters on the likelihood of its source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from stradiff.model.priors.base import Prior

STEPS = 150  # of Adam: parameters that are logarithms, and frequencies in cycles per record, travel up to seven
STEP = 0.05

Objective = Callable[[Any], Float[Array, ""]]


def ascended(prior: Prior, objective: Objective) -> Any:
    """The best prior that STEPS steps of Adam come by; one without a finite objective counts as the worst."""
    adam = optax.adam(STEP)

    def step(_: Array, carry: tuple[Any, ...]) -> tuple[Any, ...]:
        prior, state, best, best_value = carry
        value, gradient = jax.value_and_grad(objective)(prior)
        better = value > best_value
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), prior, best)
        change, state = adam.update(jax.tree.map(jnp.negative, gradient), state)
        return optax.apply_updates(prior, change), state, best, jnp.where(better, value, best_value)

    begin = (prior, adam.init(prior), prior, jnp.asarray(-jnp.inf, jnp.float64))
    return jax.lax.fori_loop(0, STEPS, step, begin)[2]


def likeliest(priors: Sequence[Prior], objective: Objective) -> Any:
    """The one with the highest finite objective, computed one after the other."""
    return best_row(jax.tree.map(lambda *leaves: jnp.stack(leaves), *priors), objective)


def best_row(rows: Any, objective: Objective) -> Any:
    """The same of priors, or parts of them, stacked along a leading axis."""
    values = jax.lax.map(objective, rows)
    best = jnp.argmax(jnp.where(jnp.isfinite(values), values, -jnp.inf))
    return jax.tree.map(lambda leaf: leaf[best], rows)
