"""Draws from any stationary Gaussian process on a regular grid: exact, O(T^2) time and O(T) memory.

Durbin's recursion (1960) predicts every sample from all before it (Golub & Van Loan, Matrix Computations, section 4.7).
Run from errors to samples it draws: what a Cholesky factor of K does, without the factor.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Scalar = Float[Array, ""]


def coloured(white: Float[Array, " T"], autocovariance: Float[Array, " T"]) -> Float[Array, " T"]:
    """The draw from N(0, K) that ``white``, one from N(0, I), stands for: the Cholesky factor of K times it."""

    def predict(step: Array, carry: tuple[Array, ...]) -> tuple[Array, ...]:
        predictor, left_over, drawn = carry
        turned = _back(predictor, step)
        drawn = drawn.at[step].set(turned @ drawn + jnp.sqrt(left_over) * white[step])
        return *_lengthened(predictor, turned, left_over, autocovariance, step), drawn

    zeros = jnp.zeros_like(white)
    drawn: Array = jax.lax.fori_loop(0, white.shape[0], predict, (zeros, autocovariance[0], zeros))[-1]
    return drawn


def _back(values: Float[Array, " T"], step: Array) -> Float[Array, " T"]:
    """The first ``step`` values, last one first, then zeros."""
    n_samples = values.shape[0]
    padded = jnp.concatenate([values[::-1], jnp.zeros_like(values)])
    return jax.lax.dynamic_slice(padded, (n_samples - step,), (n_samples,))


def _lengthened(
    predictor: Float[Array, " T"],
    turned: Float[Array, " T"],
    left_over: Scalar,
    autocovariance: Float[Array, " T"],
    step: Array,
) -> tuple[Float[Array, " T"], Scalar]:
    """The predictor from ``step + 1`` samples and the variance that it leaves over; the last sample needs none."""
    n_samples = predictor.shape[0]
    following = autocovariance[jnp.minimum(step + 1, n_samples - 1)]
    reach = (following - predictor @ _back(jnp.roll(autocovariance, -1), step)) / left_over
    more = (predictor - reach * turned).at[step].set(reach)
    is_last = step == n_samples - 1
    return jnp.where(is_last, predictor, more), jnp.where(is_last, left_over, left_over * (1.0 - reach**2))
