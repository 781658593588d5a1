"""From observations never seen in training to sources, row by row.

The paper leaves this open: its sources are trajectories tied to the recording they were learned from. Here every new
row is explained by the learned map alone, s = argmin |y - g(s)|^2, without the prior over time.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from stradiff.model.mixing import Mixing

ITERATIONS = 30  # Levenberg-Marquardt steps: bent maps of this size settle in under ten
RIDGE = 1e-6  # of the unit-variance source: decides only what the observations leave open


@eqx.filter_jit
def unmix(
    mixing: Mixing,
    observed: Float[Array, "T m"],
    regression: Float[Array, "n m"],
    mask: Float[Array, "T m m"] | None = None,
) -> Float[Array, "T n"]:
    """Sources ``(T, n)`` of normalised observations ``(T, m)``.

    ``regression`` maps an observation to where its search begins (least squares on the training recording). A map that
    knows its inverse is asked for it instead. With ``mask``, projections of every row on what was seen of it
    (``Normaliser.forward_mask``), |P (y - g(s))|^2 is made least.
    """
    if mask is not None:
        return jax.vmap(lambda row, there: _search(mixing, row, regression @ row, there))(observed, mask)
    known = jax.vmap(mixing.inverse)(observed)
    if known is not None:
        return known
    return jax.vmap(lambda row: _search(mixing, row, regression @ row))(observed)


def _search(
    mixing: Mixing, row: Float[Array, " m"], start: Float[Array, " n"], mask: Float[Array, "m m"] | None = None
) -> Float[Array, " n"]:
    """Levenberg (1944) and Marquardt (1963): Gauss-Newton steps, damped until they improve."""

    def error(source: Float[Array, " n"]) -> Float[Array, " m"]:
        return row - mixing(source) if mask is None else mask @ (row - mixing(source))

    def cost(source: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.sum(error(source) ** 2) + RIDGE * jnp.sum(source**2)

    def step(_: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        source, damping = carry
        jacobian = -jax.jacfwd(error)(source)
        normal = jacobian.T @ jacobian + (RIDGE + damping) * jnp.eye(source.shape[0], dtype=source.dtype)
        slope = jacobian.T @ error(source) - RIDGE * source
        trial = source + jnp.linalg.solve(normal, slope)
        better = cost(trial) < cost(source)
        return jnp.where(better, trial, source), jnp.where(better, 0.3 * damping, 4.0 * damping)

    source, _ = jax.lax.fori_loop(0, ITERATIONS, step, (start, jnp.asarray(1e-2, start.dtype)))
    return source
