"""Sources of observations that are not part of the training record, row by row.

The sources of the paper are trajectories tied to the recording they were learned from. A new row is explained by the
learned mixing alone, s = argmin |y - g(s)|^2, without the prior over time.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from stradiff.model.mixing import Mixing

STEPS = 30  # at most; nearly all rows converge within fifteen
TOLERANCE = 1e-4  # of a step, in units of the unit-variance source
DAMPING = 1e-2  # of the first step; the solver begins with 1 for residuals divided by the root of this
RIDGE = 1e-6  # of the unit-variance source: decides only what the observations leave open


@eqx.filter_jit
def unmix(
    mixing: Mixing,
    observed: Float[Array, "T m"],
    regression: Float[Array, "n m"],
    mask: Float[Array, "T m m"] | None = None,
) -> Float[Array, "T n"]:
    """Sources ``(T, n)`` of normalised observations ``(T, m)``.

    ``regression`` maps an observation to the initial value of the search (least squares on the training recording).
    Of fully observed rows, a mixing with a known inverse is inverted instead. With ``mask``, projections of every row
    on its observed part (``Normaliser.forward_mask``), |P (y - g(s))|^2 is minimised.
    """
    if mask is not None:
        return jax.vmap(lambda row, channel_mask: _search(mixing, row, regression @ row, channel_mask))(observed, mask)
    known = jax.vmap(mixing.inverse)(observed)
    if known is not None:
        return known
    everything = jnp.eye(observed.shape[1], dtype=observed.dtype)
    return jax.vmap(lambda row: _search(mixing, row, regression @ row, everything))(observed)


def _search(
    mixing: Mixing, row: Float[Array, " m"], initial: Float[Array, " n"], mask: Float[Array, "m m"]
) -> Float[Array, " n"]:
    """Levenberg (1944) and Marquardt (1963); a row whose numbers overflow keeps the last finite source."""
    import lineax
    import optimistix  # with lineax half a second to import, and needed for new rows alone

    def residuals(source: Float[Array, " n"], _: Any) -> Any:
        return mask @ (row - mixing(source)) / DAMPING**0.5, (RIDGE / DAMPING) ** 0.5 * source

    solver: Any = optimistix.LevenbergMarquardt(TOLERANCE, TOLERANCE, linear_solver=lineax.Normal(lineax.Cholesky()))
    solution: Array = optimistix.least_squares(residuals, solver, initial, max_steps=STEPS, throw=False).value
    return solution
