"""Cross-talk left by training: the distance of the sources from the maximum-likelihood mixing.

Cross-talk between slow sources changes the objective by a few nats only, because a record holds few of their
excursions, and training stops before it has converged to that precision. The optimum replaces the mixing matrix A by
A M, M near the identity with one coefficient for every ordered pair of sources, and minimises the negative log marginal
likelihood

    F(M) = -log p(s) + |y - A M s|^2 / 2 nu + T/2 <log det(K^-1 + M' A' A M / nu)> + |M - I|^2 / 2,

s the mode at M, <.> the mean over frequencies (and over times, where channels are missing), and the last term the unit
of prior information that ``posterior.cross_talk`` gives every coefficient. As s is a mode, only the explicit M counts
in the slope, and the inverse of the expected information, pair by pair, makes a step of it (Fisher scoring).

The estimate does not move to the optimum. That would improve sources that follow the prior and worsen others (a chirp,
a square wave), for which the initialisation and early stopping serve better, and the marginal likelihood does not
distinguish the two (docs/uncertainty.md). The distance counts as uncertainty instead, on top of the Cramer-Rao bound.

Several recordings with one map share one M: their information, slopes and F add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from stradiff.model.model import Model
from stradiff.posterior.covariance import Covariance
from stradiff.posterior.cross_talk import POWER_FLOOR, CrossTalk, cross_talk_covariance
from stradiff.posterior.linearisation import Linearisation, Trajectories, linearise
from stradiff.posterior.mode import Observations, find_mode, log_posterior
from stradiff.posterior.nonlinear_cross_talk import NonlinearCrossTalk, nonlinear_cross_talk
from stradiff.train.volume import quadrature

MAX_TIMES = 500  # whose Jacobians represent all in a mean over time, ..
BUDGET = 1 << 21  # .. fewer where their n x n matrices, one for every frequency, would hold more numbers than this
ITERATIONS = 12  # of scoring, at most
STEP_SIZES = (1.0, 0.3, 0.1, 0.03)  # of a scoring step: the first that lowers F is taken
LEAST_GAIN = 0.05  # nats: a smaller decrease of F ends the iteration


class MixingEstimate(NamedTuple):
    """One recording at one M."""

    model: Model
    matrix: np.ndarray
    """M"""
    sources: Trajectories
    """The mode."""
    cross_talk: np.ndarray
    """``(n, n, 2, 2)``, the Cramer-Rao bound (``posterior.cross_talk``)."""
    cost: float
    """F"""
    slope: np.ndarray
    """``[k, j]``: dF/dW at M (I + W)"""


class JointEstimate(NamedTuple):
    """Several recordings with one map, at one M."""

    estimates: tuple[MixingEstimate, ...]
    cross_talk: np.ndarray
    cost: float
    slope: np.ndarray

    @classmethod
    def of(cls, *estimates: MixingEstimate) -> JointEstimate:
        """Information, F and its slope are sums, except for |M - I|^2 / 2, which counts once."""
        excess, n_repeats = estimates[0].matrix - np.eye(len(estimates[0].matrix)), len(estimates) - 1
        cost = sum(estimate.cost for estimate in estimates) - 0.5 * n_repeats * float(np.sum(excess**2))
        slope = np.sum([estimate.slope for estimate in estimates], axis=0) - n_repeats * estimates[0].matrix.T @ excess
        return cls(estimates, joint_covariance([estimate.cross_talk for estimate in estimates]), cost, slope)


def residual_cross_talk(
    models: Sequence[Model], sources: Sequence[Trajectories], observations: Sequence[Observations]
) -> CrossTalk | NonlinearCrossTalk:
    """Cross-talk in the given sources of recordings with one map. Inside ``numerics()``.

    Its second moments are the Cramer-Rao bound plus the square of the distance from the optimum.
    """
    recordings = list(zip(models, sources, observations, strict=True))
    if not models[0].mixing.is_linear:
        noise = [
            source_noise(linearise(model, rows, data.observed, data.mask), data.covariance, float(data.nu))
            for model, rows, data in recordings
        ]
        unpadded = [rows[:, : data.n_samples] for _, rows, data in recordings]
        return nonlinear_cross_talk(models, unpadded, [data.covariance for data in observations], noise)
    identity = np.eye(models[0].n_sources)
    optimum = _optimise(JointEstimate.of(*(_evaluate(one[0], identity, *one[1:]) for one in recordings)), observations)
    coefficients = np.linalg.inv(optimum.estimates[0].matrix)
    pairs = np.stack([coefficients, coefficients.T], -1) * (1.0 - identity)[:, :, None]
    return CrossTalk(jnp.asarray(optimum.cross_talk + pairs[:, :, :, None] * pairs[:, :, None, :]))


def joint_covariance(covariances: Sequence[np.ndarray]) -> np.ndarray:
    """Covariances ``(n, n, 2, 2)`` of the same coefficients by several recordings: (J_1 + .. + J_R + I)^-1."""
    if len(covariances) == 1:
        return covariances[0]
    off_diagonal, prior = ~np.eye(len(covariances[0]), dtype=bool), np.eye(2)
    information = np.sum([np.linalg.inv(one[off_diagonal]) - prior for one in covariances], axis=0) + prior
    joint = np.zeros_like(covariances[0])
    joint[off_diagonal] = np.linalg.inv(information)
    return joint


def estimate_mixing(model: Model, start: Trajectories, observations: Observations) -> MixingEstimate:
    """The optimum of one recording: A M as its matrix, with F no larger than at M = I. Inside ``numerics()``."""
    initial = JointEstimate.of(_evaluate(model, np.eye(model.n_sources), start, observations))
    return _optimise(initial, [observations]).estimates[0]


def _optimise(estimate: JointEstimate, observations: Sequence[Observations]) -> JointEstimate:
    """Fisher scoring with a line search."""
    for _ in range(ITERATIONS):
        step = _scoring_step(estimate)
        for size in STEP_SIZES:
            pairs = zip(estimate.estimates, observations, strict=True)
            candidate = JointEstimate.of(*(_moved(one, size * step, data) for one, data in pairs))
            if candidate.cost < estimate.cost:
                break
        else:
            return estimate
        gain, estimate = estimate.cost - candidate.cost, candidate
        if gain < LEAST_GAIN:
            return estimate
    return estimate


def _scoring_step(estimate: JointEstimate) -> np.ndarray:
    """W: minus the covariance of (w_kj, w_jk) times their slopes, pair by pair; zero on the diagonal."""
    covariance, slope = estimate.cross_talk, estimate.slope
    return -(covariance[:, :, 0, 0] * slope + covariance[:, :, 0, 1] * slope.T)


def _moved(estimate: MixingEstimate, step: np.ndarray, observations: Observations) -> MixingEstimate:
    """The estimate at M (I + W): sources (I + W)^-1 s give the same channels, and are near the mode."""
    change = np.eye(len(step)) + step
    model = eqx.tree_at(lambda model: model.mixing.matrix, estimate.model, replace_fn=lambda matrix: matrix @ change)
    start = jnp.linalg.solve(jnp.asarray(change), estimate.sources)
    return _evaluate(model, estimate.matrix @ change, start, observations)


def _evaluate(model: Model, matrix: np.ndarray, start: Trajectories, observations: Observations) -> MixingEstimate:
    """Mode, F and slope of a model whose mixing contains M, ``matrix``."""
    observed, mask, times, covariance, nu, n_samples = observations
    sources = find_mode(model, start, observations)
    linearisation = linearise(model, sources, observed, mask)
    log_det, volume_slope = _volume(linearisation, observations)
    excess = matrix - np.eye(len(matrix))
    log_density = float(log_posterior(model, sources, observed, mask, times, nu))
    cost = log_det - log_density + 0.5 * float(np.sum(excess**2))
    slope = volume_slope - _error_products(linearisation, sources) / float(nu) + matrix.T @ excess
    bound = cross_talk_bound(linearisation, covariance, float(nu), n_samples)
    return MixingEstimate(model, matrix, sources, bound, cost, slope)


def cross_talk_bound(
    linearisation: Linearisation, covariance: Covariance, nu: float, n_samples: int | None = None
) -> np.ndarray:
    """``(n, n, 2, 2)``: the Cramer-Rao bound of the cross-talk, at the noise on the estimate of each source."""
    noise, weights = source_noise(linearisation, covariance, nu), quadrature()[1]
    moments, inverse_information = np.asarray(covariance.node_moments), np.asarray(covariance.node_power)
    n_samples = n_samples or linearisation.gram.shape[2]
    return cross_talk_covariance(moments, weights, n_samples, noise, inverse_information)


def source_noise(linearisation: Linearisation, covariance: Covariance, nu: float) -> np.ndarray:
    """``(n,)``: variance of the noise on the estimate of every source, as if it were constant in time.

    It leaves the same share v / (f + v) of the source's variance f unexplained as the actual noise, in the mean over
    time. Where a nonlinear map is nearly flat for an instant, the mean of v itself would be dominated by that instant.
    """
    gram = _sampled_gram(linearisation)
    regular = gram[np.linalg.eigvalsh(gram)[:, 0] > 1e-9 * gram.max()]  # times at which all sources are seen
    noise = nu * np.diagonal(np.linalg.inv(regular), axis1=1, axis2=2)
    power = np.asarray(covariance.node_moments) @ quadrature()[1]
    unexplained = np.mean(noise / (power + noise), axis=0) if len(regular) else np.ones_like(power)
    return power * unexplained / np.maximum(1.0 - unexplained, POWER_FLOOR)


def _error_products(linearisation: Linearisation, sources: Trajectories) -> np.ndarray:
    """The sum over time of (J' e) s', e the error at the mode."""
    arrays = linearisation.root, linearisation.data, linearisation.gram, sources
    root, data, gram, mode = map(np.asarray, arrays)
    return (np.einsum("tij,jt->it", root, data) - np.einsum("ijt,jt->it", gram, mode)) @ mode.T


def _volume(linearisation: Linearisation, observations: Observations) -> tuple[float, np.ndarray]:
    """The third term of F and its slope, T <G (K^-1 + G)^-1> with G = J' J / nu.

    In NumPy: two batched factorisations that XLA runs in parallel can deadlock on two threads.
    """
    gram = _sampled_gram(linearisation) / float(observations.nu)
    inverse_power = np.eye(gram.shape[1]) / np.asarray(observations.covariance.node_power).T[:, :, None]
    precision = gram[:, None] + inverse_power[None]
    weights, n_samples = quadrature()[1], linearisation.gram.shape[2]
    log_det = 0.5 * n_samples * np.mean(np.linalg.slogdet(precision)[1] @ weights)
    slope = np.einsum("tij,tfjk,f->ik", gram, np.linalg.inv(precision), weights, optimize=True)
    return float(log_det), n_samples / len(gram) * slope


def _sampled_gram(linearisation: Linearisation) -> np.ndarray:
    """``(t, n, n)``: J' J at times spread over the record."""
    gram = np.moveaxis(np.asarray(linearisation.gram), 2, 0)
    n_times = max(1, min(MAX_TIMES, BUDGET // (gram.shape[1] ** 2 * len(quadrature()[1]))))
    return gram[:: -(-len(gram) // n_times)]
