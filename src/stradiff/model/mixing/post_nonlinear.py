"""Post-nonlinear mixing: a linear map, then one increasing curve per channel (Taleb & Jutten 1999)."""

from __future__ import annotations

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from stradiff.model.mixing.base import Mixing, MixingSpec
from stradiff.parameters import count, parameter

REACH = 3.0  # knots start on [-REACH, REACH], where a channel of unit variance spends nearly all its time
STRAIGHT = 0.5  # of the initial slope is the linear part's, the rest the knots': all of them have a gradient to follow
HALVINGS = 120  # of the bracket in which a curve is inverted: below rounding in double precision


class PostNonlinearMap(Mixing):
    """g_j(s) = h_j(a_j . s), h_j(x) = o_j + p_j x + sum_k w_jk tanh(c_jk (x - b_jk)), with p, w, c > 0.

    Sensors with a nonlinearity of their own: amplifiers that saturate, electrodes, optical intensities. Every h_j
    increases strictly and takes every value, so it has an inverse; together with independent sources that makes the
    model identifiable up to order, sign and scale (Taleb & Jutten, IEEE Trans. Signal Processing 47, 1999). It starts
    within a few per cent of the identity on [-3, 3].

    Parameters
    ----------
    n_sources, n_channels, n_knots : n, m, and the number of hyperbolic tangents in each curve.
    """

    is_channelwise = True

    matrix: Float[Array, "m n"]
    offset: Float[Array, " m"]
    slope: Float[Array, " m"]
    weight: Float[Array, "m k"]
    steepness: Float[Array, "m k"]
    knot: Float[Array, "m k"]

    def __init__(self, n_sources: int, n_channels: int, n_knots: int, *, key: PRNGKeyArray):
        matrix = jax.random.normal(key, (n_channels, n_sources), jnp.float32)
        self.matrix = matrix / jnp.linalg.norm(matrix, axis=1, keepdims=True)
        spacing = 2.0 * REACH / n_knots
        knots = spacing * (jnp.arange(n_knots, dtype=jnp.float32) + 0.5) - REACH
        self.offset = jnp.zeros(n_channels, jnp.float32)
        self.slope = _raw(jnp.full(n_channels, STRAIGHT, jnp.float32))
        # Equal tangents one spacing apart add up to a line of slope 2 w / spacing.
        self.weight = _raw(jnp.full((n_channels, n_knots), (1.0 - STRAIGHT) * spacing / 2.0, jnp.float32))
        self.steepness = _raw(jnp.full((n_channels, n_knots), 1.0 / spacing, jnp.float32))
        self.knot = jnp.tile(knots[None, :], (n_channels, 1))

    def __call__(self, sources: Float[Array, " n"]) -> Float[Array, " m"]:
        """h(A s)."""
        return self.curves(self.matrix @ sources)

    def curves(self, level: Float[Array, " m"]) -> Float[Array, " m"]:
        """h_j at one level for each channel."""
        tangents = jnp.tanh(jax.nn.softplus(self.steepness) * (level[:, None] - self.knot))
        nonlinear = jnp.sum(jax.nn.softplus(self.weight) * tangents, axis=1)
        return self.offset + jax.nn.softplus(self.slope) * level + nonlinear

    def curves_inverse(self, observed: Float[Array, " m"]) -> Float[Array, " m"]:
        """The levels that the curves map to ``observed``, by bisection from a bracket that bounded tangents give."""
        slope, reach = jax.nn.softplus(self.slope), jnp.sum(jax.nn.softplus(self.weight), axis=1)
        bracket = ((observed - self.offset - reach) / slope, (observed - self.offset + reach) / slope)

        def halve(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = bracket
            middle = 0.5 * low + 0.5 * high
            above = self.curves(middle) > observed
            return jnp.where(above, low, middle), jnp.where(above, middle, high)

        low, high = jax.lax.fori_loop(0, HALVINGS, halve, bracket)
        return 0.5 * low + 0.5 * high

    def inverse(self, observed: Float[Array, " m"]) -> Float[Array, " n"] | None:
        """A^-1 h^-1(y) where m = n; more channels than sources need a search, which weighs their noise."""
        n_channels, n_sources = self.matrix.shape
        if n_channels != n_sources:
            return None
        return jnp.linalg.pinv(self.matrix) @ self.curves_inverse(observed)


class PostNonlinear(MixingSpec):
    """y_j = h_j(a_j . s), every curve h_j increasing, of ``knots`` hyperbolic tangents and a line."""

    name = "post_nonlinear"
    label = "a linear map and one increasing curve per channel"
    module = PostNonlinearMap
    defaults: ClassVar = {
        # A curve per channel changes amplitudes alone, and only a prior that knows amplitudes identifies it: a Gaussian
        # one takes a skewed or heavy-tailed source for a nonlinearity (worst source .94 instead of .98 on real ones).
        "prior": "ar_laplace",
        "objective__nu_y": 1e-3,  # curves cannot follow noise as a network can, and need not be held back from it
        "training__learning_rate": 1e-2,  # few parameters and no network: it trains three times as quickly
    }

    knots: int = parameter(8, count(1), "three quarters of a standard deviation apart")

    def build(self, n_sources: int, n_channels: int, *, unit_columns: bool, key: PRNGKeyArray) -> PostNonlinearMap:
        """Curves near the identity after a random matrix."""
        return PostNonlinearMap(n_sources, n_channels, self.knots, key=key)

    def n_parameters(self, n_channels: int) -> int:
        """Weight, steepness and place of every knot."""
        return 3 * n_channels * self.knots

    def n_hidden(self, n_channels: int) -> int:
        """One value of every knot."""
        return n_channels * self.knots


def _raw(positive: Float[Array, "..."]) -> Float[Array, "..."]:
    """What softplus maps to ``positive``."""
    return jnp.log(jnp.expm1(positive))
