"""Initialisation of a linear mixing by rotation: the most likely rotation of uncorrelated sources, given their priors.

A Gaussian prior separates sources by their spectra alone, as SOBI does; what else is in them (bursts, several modes)
FastICA sees, and only that. A prior that has both is most likely at sources that neither finds. Sources of a linear
method are uncorrelated and of unit variance, so what is free is a rotation R: it maximises sum_k log p_k((R s)_k), in
turn with the choice of the priors p_k (quasi-maximum likelihood, Pham & Garat 1997, here with autoregressions whose
innovations are learned).

Gaussian sources are not rotated. In noise an autoregression describes the noise as well, and a rotation would follow
it. So structured priors are taken only where they are decisively more likely than smooth sources in white noise of any
strength, and sources are rotated only where they are more likely than Gaussian autoregressions. Where spectra do not
differ SOBI's sources are any rotation of the true ones; of several methods' sources the more likely ones are taken.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.linalg import polar, solve_sylvester
from scipy.optimize import minimize

from stradiff.initialise.prior_selection import SMOOTH, STRUCTURED, best_of, build_family, tuned
from stradiff.model.compiled import quick_jit
from stradiff.model.priors import GaussianProcess, PriorSet

NOISE_SHARES = (1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 0.6, 0.9)  # of white noise in the variance of a smooth source
DECISIVE = 0.08  # of Schwarz's criterion, by sample and source: smooth ones gain .06 at most from 1,000 samples on
NON_GAUSSIAN = 0.02  # the same, to rotate: autoregressions gain .003 at most, modulated ones .03 and more
ROUNDS = 3  # of selecting priors and rotating: what a fourth would change is less than the error
STEPS = 60  # of L-BFGS in each
SELECTION_SAMPLES = 4096  # in the middle of a longer record, by which priors are selected
ROTATION_SIZE = 1 << 20  # numbers by which a rotation is found: all of the sources, or as many of their middle


def initialise_by_rotation(starts: Sequence[np.ndarray], *, rotate: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    """Sources ``(T, n)`` to start from, of unit variance, and the names of their priors. Inside ``numerics()``.

    ``starts`` are the sources of linear methods; the first are returned where sources are smooth, and where sources
    may be rotated. To all of them the same white noise of variance xi is added: without it the
    density of a source that can be predicted exactly has no bound.
    """
    units = [((start - start.mean(axis=0)) / start.std(axis=0)).T for start in starts]
    noise = np.sqrt(GaussianProcess().jitter) * np.random.default_rng(0).standard_normal(units[0].shape)
    n_samples = min(noise.shape[1], SELECTION_SAMPLES)
    smooth, autoregressive, *structured = (
        build_family(name, len(units[0]), n_samples) for name in (SMOOTH, "ar", *STRUCTURED)
    )

    def selected(unit: np.ndarray, *prior_sets: PriorSet) -> tuple[PriorSet, float]:
        priors, criteria = best_of(prior_sets, jnp.asarray(_middle(unit + noise, n_samples)))
        return priors, float(criteria.sum())

    selections = [selected(unit, smooth, *structured) for unit in units]
    best = int(np.argmin([criterion for _, criterion in selections]))
    (priors, criterion), unit = selections[best], units[best]
    of_smooth = min(_smooth_criterion(_middle(one + noise, n_samples)) for one in units)
    if not of_smooth - criterion > DECISIVE * n_samples * len(unit):
        return units[0].T, smooth.names
    gain = selected(unit, smooth, autoregressive)[1] - criterion
    rotates = gain > NON_GAUSSIAN * n_samples * len(unit) and rotate
    for _ in range(ROUNDS if rotates else 0):
        unit = _rotated(priors, unit, noise, n_samples)
        priors, _ = selected(unit, smooth, *structured)
    return unit.T, priors.names


def _rotated(priors: PriorSet, sources: np.ndarray, noise: np.ndarray, n_selection: int) -> np.ndarray:
    """R s, by the priors of ``n_selection`` samples. An R found by a part of the record must be more likely in all."""
    n_samples = sources.shape[1]
    n_rotation = min(n_samples, ROTATION_SIZE // len(sources))
    own = priors if n_rotation == n_selection else priors.of_segment((n_rotation - 1) / (n_selection - 1))
    rotation = most_likely_rotation(own, _middle(sources, n_rotation), _middle(noise, n_rotation))
    if n_rotation < n_samples:
        whole = priors.of_segment((n_samples - 1) / (n_selection - 1))
        before, after = (
            float(_negative_log_likelihood(whole, jnp.asarray(one), jnp.asarray(sources), jnp.asarray(noise))[0])
            for one in (np.eye(len(sources)), rotation)
        )
        rotation = rotation if after < before else np.eye(len(sources))
    return rotation @ sources


def most_likely_rotation(priors: PriorSet, sources: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """R ``(n, n)`` near the identity that maximises the likelihood of R s + noise; s ``(n, T)``. Inside ``numerics()``.

    R is the orthogonal factor of a free matrix W = R P. The gradient in W is 2 R X, where the skew X solves
    P X + X P = (R'G - G'R) / 2 and G is the gradient in R.
    """
    shape = (len(sources), len(sources))
    rows, floor = jnp.asarray(sources), jnp.asarray(noise)

    def cost(flat: np.ndarray) -> tuple[float, np.ndarray]:
        rotation, stretch = polar(flat.reshape(shape))
        value, gradient = _negative_log_likelihood(priors, jnp.asarray(rotation), rows, floor)
        twist = rotation.T @ np.asarray(gradient)
        skew = solve_sylvester(stretch, stretch, 0.5 * (twist - twist.T))
        return float(value), 2.0 * (rotation @ skew).ravel()

    optimum = minimize(cost, np.eye(len(sources)).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    return polar(optimum.x.reshape(shape))[0]


@quick_jit
def _negative_log_likelihood(
    priors: PriorSet, rotation: Float[Array, "n n"], sources: Float[Array, "n T"], noise: Float[Array, "n T"]
) -> tuple[Float[Array, ""], Float[Array, "n n"]]:
    """-sum_k log p_k((R s + noise)_k), and its gradient in R."""
    return jax.value_and_grad(lambda R: -jnp.sum(priors.log_prob(R @ sources + noise, None)))(rotation)


def _smooth_criterion(sources: np.ndarray) -> float:
    """Schwarz's criterion of smooth sources in white noise, each of the share that it is most likely with."""
    criteria = []
    for share in NOISE_SHARES:
        smooth = build_family(GaussianProcess(sigma_f=float(np.sqrt(1.0 - share)), jitter=share), *sources.shape)
        criteria.append(np.asarray(tuned(smooth, jnp.asarray(sources), None)[1]))
    return float(np.min(criteria, axis=0).sum())


def _middle(rows: np.ndarray, n_samples: int) -> np.ndarray:
    first = (rows.shape[1] - n_samples) // 2
    return rows[:, first : first + n_samples]
