"""The start of a linear map made likelier: what priors its sources ask for, and the rotation that these prefer.

A Gaussian prior tells sources apart by their spectra alone, as SOBI does; what else is in them (bursts, several modes)
FastICA sees, and only that. A prior that knows both is likeliest at sources that neither finds. Sources of a linear
method are uncorrelated and of unit variance, so what is free is a rotation R: it is taken where sum_k log p_k((R s)_k)
is largest, and the priors p_k are those that the sources found so far are likeliest under (quasi-maximum likelihood,
Pham & Garat 1997, here with autoregressions whose innovations are learned).

Gaussian sources stay where they are. In noise an autoregression describes the noise as well, and a rotation would
follow it. So it is asked first whether the recording is one of smooth sources in white noise of whatever strength: only
where the others together are decisively likelier does any source get another prior. And only where these do better than
Gaussian ones are sources turned. Where spectra tell nothing SOBI's sources are any rotation of the true ones, so
FastICA's are asked as well, and the likelier ones are the start.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.linalg import polar, solve_sylvester
from scipy.optimize import minimize

from stradiff.config import SMOOTH, Settings
from stradiff.initialise.prior_selection import STRUCTURED, likeliest_of, tuned_and_judged
from stradiff.initialise.priors import priors_of
from stradiff.model.compiled import quick_jit
from stradiff.model.priors import PriorSet

SHARES = (1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 0.6, 0.9)  # of white noise in the variance of a smooth source
DECISIVE = 0.08  # of Schwarz's criterion, by sample and source: smooth ones gain .06 at most from 1,000 samples on
UNLIKE_GAUSSIAN = 0.02  # the same, of what a turn needs: autoregressions gain .003 at most, modulated ones .03 and more
ROUNDS = 3  # of choosing priors and rotating: what a fourth would move is less than the error
STEPS = 60  # of L-BFGS in each
JUDGED = 4096  # samples, in the middle of a longer record, that say what prior suits
TURNED = 1 << 20  # numbers that a rotation is sought by: all of the sources, or as many of their middle


def initialise_by_rotation(starts: Sequence[np.ndarray], settings: Settings) -> tuple[np.ndarray, tuple[str, ...]]:
    """Sources ``(T, n)`` to start from, of unit variance, and the names of their priors. Inside ``numerics()``.

    ``starts`` are answers of linear methods, the first of them the one that stays where sources are smooth. Given
    sources (``settings.init``) are not rotated. White noise of variance xi on all, always the same, stands for what no
    source is known better than: over one that can be predicted a density would be without bound.
    """
    units = [((start - start.mean(axis=0)) / start.std(axis=0)).T for start in starts]
    noise = np.sqrt(settings.jitter) * np.random.default_rng(0).standard_normal(units[0].shape)
    n_judged = min(noise.shape[1], JUDGED)
    banks = [_named(name, settings, n_judged) for name in (SMOOTH, *STRUCTURED)]

    def judged(unit: np.ndarray) -> tuple[PriorSet, float]:
        priors, cost = likeliest_of(banks, jnp.asarray(_middle(unit + noise, n_judged)))
        return priors, float(cost.sum())

    found = [judged(unit) for unit in units]
    best = int(np.argmin([cost for _, cost in found]))
    (priors, cost), unit = found[best], units[best]
    smooth = min(_smooth_cost(_middle(one + noise, n_judged), settings) for one in units)
    if not smooth - cost > DECISIVE * n_judged * len(unit):
        return units[0].T, banks[0].names
    gaussian = likeliest_of([banks[0], _named("ar", settings, n_judged)], jnp.asarray(_middle(unit + noise, n_judged)))
    turns = gaussian[1].sum() - cost > UNLIKE_GAUSSIAN * n_judged * len(unit) and settings.init != "given"
    for _ in range(ROUNDS if turns else 0):
        unit = _turned(priors, unit, noise, n_judged)
        priors, _ = judged(unit)
    return unit.T, priors.names


def _turned(priors: PriorSet, sources: np.ndarray, noise: np.ndarray, n_judged: int) -> np.ndarray:
    """R s, by the priors of ``n_judged`` samples. An R that a part of the record suggests must be likelier in all."""
    n_samples = sources.shape[1]
    n_turned = min(n_samples, TURNED // len(sources))
    there = priors if n_turned == n_judged else priors.of_segment((n_turned - 1) / (n_judged - 1))
    rotation = likeliest_rotation(there, _middle(sources, n_turned), _middle(noise, n_turned))
    if n_turned < n_samples:
        whole = priors.of_segment((n_samples - 1) / (n_judged - 1))
        old, new = (
            float(_negative_log_likelihood(whole, jnp.asarray(one), jnp.asarray(sources), jnp.asarray(noise))[0])
            for one in (np.eye(len(sources)), rotation)
        )
        rotation = rotation if new < old else np.eye(len(sources))
    return rotation @ sources


def likeliest_rotation(priors: PriorSet, sources: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """R ``(n, n)`` near the identity at which R s + noise are likeliest; s ``(n, T)``. Inside ``numerics()``.

    R is the orthogonal factor of a free matrix W = R P. The slope in W is 2 R X, where the skew X solves
    P X + X P = (R'G - G'R) / 2 and G is the slope in R.
    """
    shape = (len(sources), len(sources))
    rows, floor = jnp.asarray(sources), jnp.asarray(noise)

    def cost(flat: np.ndarray) -> tuple[float, np.ndarray]:
        rotation, stretch = polar(flat.reshape(shape))
        value, slope = _negative_log_likelihood(priors, jnp.asarray(rotation), rows, floor)
        twist = rotation.T @ np.asarray(slope)
        skew = solve_sylvester(stretch, stretch, 0.5 * (twist - twist.T))
        return float(value), 2.0 * (rotation @ skew).ravel()

    found = minimize(cost, np.eye(len(sources)).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    return polar(found.x.reshape(shape))[0]


@quick_jit
def _negative_log_likelihood(
    priors: PriorSet, rotation: Float[Array, "n n"], sources: Float[Array, "n T"], noise: Float[Array, "n T"]
) -> tuple[Float[Array, ""], Float[Array, "n n"]]:
    """-sum_k log p_k((R s + noise)_k), and its slope in R."""
    return jax.value_and_grad(lambda turned: -jnp.sum(priors.log_prob(turned @ sources + noise, None)))(rotation)


def _smooth_cost(sources: np.ndarray, settings: Settings) -> float:
    """Schwarz's criterion of smooth sources in white noise, each of the share that it is likeliest with."""
    costs = []
    for share in SHARES:
        divided = dataclasses.replace(settings, sigma_f=float(np.sqrt(1.0 - share)), jitter=share)
        bank = _named(SMOOTH, divided, sources.shape[1])
        costs.append(np.asarray(tuned_and_judged(bank, jnp.asarray(sources), None)[1]))
    return float(np.min(costs, axis=0).sum())


def _middle(rows: np.ndarray, n_samples: int) -> np.ndarray:
    first = (rows.shape[1] - n_samples) // 2
    return rows[:, first : first + n_samples]


def _named(name: str, settings: Settings, n_samples: int) -> PriorSet:
    return priors_of(dataclasses.replace(settings, prior=name), n_samples)
