"""Stationary autoregressions by partial autocorrelations: any p numbers in (-1, 1) are one, every one is such.

Levinson's recursion (1947; Durbin 1960) leads from partial autocorrelations k_1 .. k_p to the best linear predictors
of every order up to p; Barndorff-Nielsen & Schou (1973) show the map onto stationary autoregressions to be one to one.
"""

from __future__ import annotations

import copy
import math
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from stradiff.errors import OptionError

NODES = 512  # of the integral over frequencies in ``memory``, dense towards zero: resolves peaks of 1e-5 radians
MARGIN = 1e-6  # a partial autocorrelation of one is a source without innovations; this far from it nothing overflows


Counted = TypeVar("Counted", bound=eqx.Module)


def in_segment(prior: Counted, share: float) -> Counted:
    """The same process, its ``n_samples`` those of a segment of the record; all its parameters count in samples."""
    shorter = copy.copy(prior)
    object.__setattr__(shorter, "n_samples", round((prior.n_samples - 1) * share) + 1)  # type: ignore[attr-defined]
    return shorter


def partial_autocorrelations(free: Float[Array, " p"]) -> Float[Array, " p"]:
    """Numbers in (-1, 1) from free ones."""
    return (1.0 - MARGIN) * jnp.tanh(free)


def free_from(partial: Float[Array, " p"]) -> Float[Array, " p"]:
    """The inverse of ``partial_autocorrelations``; beyond its range the nearest there is."""
    return jnp.arctanh(jnp.clip(partial / (1.0 - MARGIN), -1.0 + MARGIN, 1.0 - MARGIN))


def predictors(partial: Float[Array, " p"]) -> Float[Array, "p+1 p"]:
    """Row k: the k coefficients that predict a sample best from the k before it, nearest first, then zeros.

    a^(k)_k = kappa_k,  a^(k)_j = a^(k-1)_j - kappa_k a^(k-1)_{k-j}; the last row is the autoregression itself.
    """
    order = partial.shape[0]
    row, rows = jnp.zeros(0, partial.dtype), []
    for k in range(order + 1):
        rows.append(jnp.pad(row, (0, order - k)))
        if k < order:  # never `row.at[:k]`: compiled by JAX 0.10 that is done in place, and reads what it just wrote
            row = jnp.concatenate([row - partial[k] * row[::-1], partial[k : k + 1]])
    return jnp.stack(rows)


def unpredicted(partial: Float[Array, " p"]) -> Float[Array, " p+1"]:
    """Share of the variance that k samples before leave over, k = 0 .. p: the product of 1 - kappa_j^2, j <= k."""
    return jnp.concatenate([jnp.ones(1, partial.dtype), jnp.cumprod(1.0 - partial**2)])


def prediction_errors(source: Float[Array, " T"], partial: Float[Array, " p"]) -> Float[Array, " T"]:
    """What the p samples before leave over of every sample; of the first p, what all before them leave over."""
    n_samples, order = source.shape[0], partial.shape[0]
    before = jnp.concatenate([jnp.zeros(order, source.dtype), source])
    rows = predictors(partial)[jnp.minimum(jnp.arange(n_samples), order)]
    return source - sum(rows[:, j] * before[order - 1 - j : order - 1 - j + n_samples] for j in range(order))


def from_prediction_errors(errors: Float[Array, " T"], partial: Float[Array, " p"]) -> Float[Array, " T"]:
    """The trajectory with these prediction errors: the inverse of ``prediction_errors``."""
    order = partial.shape[0]
    rows = predictors(partial)[jnp.minimum(jnp.arange(errors.shape[0]), order)]

    def step(before: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        error, row = now
        sample = row @ before + error
        return jnp.concatenate([sample[None], before])[:order], sample

    return jax.lax.scan(step, jnp.zeros(order, errors.dtype), (errors, rows))[1]


def response(partial: Float[Array, " p"], omega: Float[Array, " F"]) -> Float[Array, " F"]:
    """|A(w)|^2 = |1 - sum_j a_j exp(-i w j)|^2, the power response of the filter from source to innovations."""
    coefficients, lag = predictors(partial)[-1], jnp.arange(1, partial.shape[0] + 1)
    angle = omega[:, None] * lag[None, :]
    return (1.0 - jnp.cos(angle) @ coefficients) ** 2 + (jnp.sin(angle) @ coefficients) ** 2


def memory(partial: Float[Array, " p"]) -> Float[Array, ""]:
    """Samples: the length-scale of the RBF kernel whose squared autocorrelation has the same sum.

    sum_k rho_k^2 is the mean square of the spectrum over its squared mean (Parseval), and sqrt(pi) l for an RBF kernel;
    white noise comes out at 0.56 of a sample.
    """
    node = (np.arange(NODES) + 0.5) / NODES
    spectrum = 1.0 / response(partial, jnp.asarray(math.pi * node**2))
    spectrum /= jnp.sum(2.0 * node / NODES * spectrum)
    return jnp.sum(2.0 * node / NODES * spectrum**2) / math.sqrt(math.pi)


def refuse_irregular(times: Float[Array, " T"] | None, name: str) -> None:
    """Raise OptionError where the samples are not evenly spaced."""
    if times is not None:
        raise OptionError(
            f"The prior {name} counts in samples and needs them evenly spaced; resample the recording to a regular "
            "grid, or choose a Matern prior, which holds at any times."
        )


def burg(source: Float[Array, " T"], order: int) -> Float[Array, " p"]:
    """Partial autocorrelations of a trajectory: each makes forward and backward errors least (Burg 1975).

    Always inside (-1, 1); zero where nothing is left to predict.
    """
    forward, backward, partial = source[1:], source[:-1], []
    for _ in range(order):
        power = jnp.sum(forward**2) + jnp.sum(backward**2)
        kappa = 2.0 * jnp.sum(forward * backward) / jnp.where(power > 0, power, 1.0)
        partial.append(kappa)
        forward, backward = forward - kappa * backward, backward - kappa * forward
        forward, backward = forward[1:], backward[:-1]
    return jnp.stack(partial) if partial else jnp.zeros(0, source.dtype)
