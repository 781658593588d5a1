"""What the nonlinear peers share: small networks, and training on batches in one compiled loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

Loss = Callable[[Any, Any, jax.Array, jax.Array], jax.Array]
"""Loss of a model on data at a batch of sample numbers, with a key for whatever it draws."""


class MLP(eqx.Module):
    """Dense layers with Glorot's uniform weights (Glorot & Bengio 2010) and a nonlinearity between them."""

    weights: list[jax.Array]
    biases: list[jax.Array]
    nonlinearity: Callable[[jax.Array], jax.Array] = eqx.field(static=True)

    def __init__(
        self, widths: list[int], nonlinearity: Callable[[jax.Array], jax.Array], *, pieces: int = 1, key: jax.Array
    ):
        """``widths`` from input to output; a maxout nonlinearity joins ``pieces`` units into one."""
        keys = jax.random.split(key, len(widths) - 1)
        outputs = [width * pieces for width in widths[1:-1]] + widths[-1:]
        glorot = jax.nn.initializers.glorot_uniform()
        self.weights = [glorot(k, (a, b)) for k, a, b in zip(keys, widths[:-1], outputs, strict=True)]
        self.biases = [jnp.zeros(b) for b in outputs]
        self.nonlinearity = nonlinearity

    def __call__(self, x: jax.Array) -> jax.Array:
        """Outputs ``(batch, last width)`` of inputs ``(batch, first width)``."""
        *hidden, last = zip(self.weights, self.biases, strict=True)
        for weight, bias in hidden:
            x = self.nonlinearity(x @ weight + bias[None])
        return x @ last[0] + last[1][None]


def leaky_relu(x: jax.Array) -> jax.Array:
    """Slope 0.1 below zero, as in the iVAE's own code."""
    return jnp.where(x > 0, x, 0.1 * x)


def maxout(x: jax.Array) -> jax.Array:
    """The larger of each pair of units (Goodfellow et al. 2013)."""
    return x.reshape(len(x), -1, 2).max(axis=2)


def train(
    model: Any,
    loss: Loss,
    data: Any,
    optimiser: optax.GradientTransformation,
    *,
    steps: int,
    batch: int,
    n_samples: int,
    seed: int,
) -> Any:
    """``model`` after ``steps`` steps, each on ``batch`` samples drawn with replacement from ``n_samples``.

    ``data`` is what ``loss`` needs of the recording: as an argument, so that recordings share what is compiled.
    """
    learned, fixed = eqx.partition(model, eqx.is_inexact_array)

    def step(data: Any, carry: Any, key: jax.Array) -> tuple[Any, None]:
        learned, state = carry
        for_rows, for_loss = jax.random.split(key)
        rows = jax.random.randint(for_rows, (batch,), 0, n_samples)
        gradient = jax.grad(lambda part: loss(eqx.combine(part, fixed), data, rows, for_loss))(learned)
        update, state = optimiser.update(gradient, state, learned)
        return (optax.apply_updates(learned, update), state), None

    run = jax.jit(lambda data, carry, keys: jax.lax.scan(partial(step, data), carry, keys)[0])
    learned, _ = run(data, (learned, optimiser.init(learned)), jax.random.split(jax.random.key(seed), steps))
    return eqx.combine(learned, fixed)
