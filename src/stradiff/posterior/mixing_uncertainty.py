"""How far the sources of a linear map are from their likeliest mixture: what training left undone.

How much of one source hides in another moves the objective by a few nats where sources are slow and few excursions of
them were seen: training ends before it has settled that. The remedy would be the mixing matrix A M, M near the identity
with a free number for every ordered pair of sources, that makes the recording likeliest with the sources integrated
out:

    F(M) = -log p(s) + |y - A M s|^2 / 2 nu + T/2 <log det(K^-1 + M' A' A M / nu)> + |M - I|^2 / 2,

s the mode at M, <.> the mean over frequencies (and times, where some channels are missing), and the last term the one
unit of prior information that ``posterior.cross_talk`` grants every coefficient. As s is a mode, only the explicit M
counts in the slope, and the inverse of the expected information, pair by pair, turns it into a step (Fisher's scoring).

The estimate does not move there. Of sources that the prior describes it would gain; of others (a chirp, a square wave)
it would lose what the warm start and the early end of training spare it, and the evidence cannot tell the two apart:
see research/uncertainty.md. So the distance counts as not known, on top of what the record leaves open of M.

Several recordings with one map share one M, and what they say of it adds up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from stradiff.model.model import Model
from stradiff.model.observation_mask import Mask
from stradiff.posterior.covariance import Covariance
from stradiff.posterior.cross_talk import KNOWABLE, CrossTalk, cross_talk_covariance
from stradiff.posterior.mode import find_mode, log_posterior
from stradiff.posterior.nonlinear_cross_talk import NonlinearCrossTalk, nonlinear_cross_talk
from stradiff.posterior.tangent import Tangent, Trajectories, tangent_at
from stradiff.train.volume import quadrature

VISITED = 500  # times whose Jacobians stand for all in a mean over time, ..
BUDGET = 1 << 21  # .. fewer where their n x n matrices, one for every frequency, would be more numbers than this
STEPS = 12  # of scoring, at most
SHARES = (1.0, 0.3, 0.1, 0.03)  # of a step: the first that makes the recording likelier is taken
ENOUGH = 0.05  # nats: a step that gained less was the last


class Mixture(NamedTuple):
    """The model at one M, and how likely that makes the recording."""

    model: Model
    matrix: np.ndarray
    """M"""
    sources: Trajectories
    """The mode."""
    cross_talk: np.ndarray
    """``(n, n, 2, 2)``, the covariance of what the record leaves open (``posterior.cross_talk``)."""
    cost: float
    """F"""
    slope: np.ndarray
    """``[k, j]``: dF/dW at M (I + W)"""


class Evidence(NamedTuple):
    """What every M is judged by: the recording, and what is known beside the map."""

    observed: Float[Array, "T m"]
    mask: Mask
    times: Float[Array, " T"] | None
    covariance: Covariance
    nu: Float[Array, ""]
    n_samples: int | None = None
    """Of the recording, where padding follows it that was not seen; else it is as long as its arrays."""

    def mode(self, model: Model, start: Trajectories) -> Trajectories:
        """The likeliest sources, from ``start`` on."""
        return find_mode(model, start, self.observed, self.mask, self.times, self.covariance, self.nu)

    def log_posterior(self, model: Model, sources: Trajectories) -> float:
        """How likely sources are, but for a constant."""
        return float(log_posterior(model, sources, self.observed, self.mask, self.times, self.nu))


class Joint(NamedTuple):
    """Several recordings with one map, at one M: what they say of it adds up."""

    each: tuple[Mixture, ...]
    cross_talk: np.ndarray
    cost: float
    slope: np.ndarray

    @classmethod
    def of(cls, each: tuple[Mixture, ...]) -> Joint:
        """Information, F and its slope are sums, but for |M - I|^2 / 2, which counts once."""
        excess = each[0].matrix - np.eye(len(each[0].matrix))
        cost = sum(one.cost for one in each) - 0.5 * (len(each) - 1) * float(np.sum(excess**2))
        slope = np.sum([one.slope for one in each], axis=0) - (len(each) - 1) * each[0].matrix.T @ excess
        return cls(each, together([one.cross_talk for one in each]), cost, slope)


def remaining_cross_talk(model: Model, sources: Trajectories, evidence: Evidence) -> CrossTalk | NonlinearCrossTalk:
    """How the given sources may leak into each other. Inside ``numerics()``.

    Second moments: the covariance, as far as the priors tell sources apart, and the square of what is likeliest.
    """
    return cross_talk_of_group([model], [sources], [evidence])


def cross_talk_of_group(
    models: Sequence[Model], sources: Sequence[Trajectories], evidence: Sequence[Evidence]
) -> CrossTalk | NonlinearCrossTalk:
    """The same of recordings with one map, each with a model, sources and evidence of its own."""
    every = list(zip(models, sources, evidence, strict=True))
    unmoved = np.eye(models[0].n_sources)
    if not models[0].mixing.is_linear:
        covariances = [known.covariance for known in evidence]
        there = [some[:, : known.n_samples] for _, some, known in every]
        return nonlinear_cross_talk(models, there, covariances, [_noise_of(*one) for one in every])
    found = _likeliest(Joint.of(tuple(_at(model, unmoved, start, known) for model, start, known in every)), evidence)
    leaks = np.linalg.inv(found.each[0].matrix)
    pairs = np.stack([leaks, leaks.T], -1) * (1.0 - np.eye(len(leaks)))[:, :, None]
    return CrossTalk(jnp.asarray(found.cross_talk + pairs[:, :, :, None] * pairs[:, :, None, :]))


def together(cross_talks: Sequence[np.ndarray]) -> np.ndarray:
    """Covariances of the same leaks ``(n, n, 2, 2)`` by several recordings as one: (J_1 + .. + J_R + I)^-1."""
    if len(cross_talks) == 1:
        return cross_talks[0]
    off, one = ~np.eye(len(cross_talks[0]), dtype=bool), np.eye(2)
    joint = np.zeros_like(cross_talks[0])
    joint[off] = np.linalg.inv(np.sum([np.linalg.inv(each[off]) - one for each in cross_talks], axis=0) + one)
    return joint


def likeliest_mixture(model: Model, start: Trajectories, evidence: Evidence) -> Mixture:
    """The model with A M for its matrix at the likeliest M; never less likely than M = I. Inside ``numerics()``."""
    here = Joint.of((_at(model, np.eye(model.n_sources), start, evidence),))
    return _likeliest(here, [evidence]).each[0]


def _likeliest(here: Joint, evidence: Sequence[Evidence]) -> Joint:
    for _ in range(STEPS):
        step = _scoring_step(here)
        for share in SHARES:
            pairs = zip(here.each, evidence, strict=True)
            there = Joint.of(tuple(_moved(one, share * step, known) for one, known in pairs))
            if there.cost < here.cost:
                break
        else:
            return here
        gain, here = here.cost - there.cost, there
        if gain < ENOUGH:
            return here
    return here


def _noise_of(model: Model, sources: Trajectories, evidence: Evidence) -> np.ndarray:
    about = tangent_at(model, sources, evidence.observed, evidence.mask)
    return noise_about(about, evidence.covariance, float(evidence.nu))


def cross_talk_about(about: Tangent, covariance: Covariance, nu: float, n_samples: int | None = None) -> np.ndarray:
    """``(n, n, 2, 2)``: how well spectra tell the sources apart at the noise that the map leaves on each."""
    n_samples = n_samples or about.gram.shape[2]
    noise, weights = noise_about(about, covariance, nu), quadrature()[1]
    return cross_talk_covariance(
        np.asarray(covariance.moments), weights, n_samples, noise, held=np.asarray(covariance.nodes)
    )


def noise_about(about: Tangent, covariance: Covariance, nu: float) -> np.ndarray:
    """``(n,)``: variance of the noise on the estimate of every source, were it the same at all times.

    It leaves open the same share v / (f + v) of the source's variance f as the noise that there is, in the mean over
    time. Where a bent map is nearly flat, a source is hardly seen for an instant: a mean of v would be that instant's.
    """
    gram = _grams(about)
    whole = gram[np.linalg.eigvalsh(gram)[:, 0] > 1e-9 * gram.max()]  # times at which all sources are seen
    at_times = nu * np.diagonal(np.linalg.inv(whole), axis1=1, axis2=2)
    power = np.asarray(covariance.moments) @ quadrature()[1]
    left = np.mean(at_times / (power + at_times), axis=0) if len(whole) else np.ones_like(power)
    return power * left / np.maximum(1.0 - left, KNOWABLE)


def _at(model: Model, matrix: np.ndarray, start: Trajectories, evidence: Evidence) -> Mixture:
    """A model with its mode and F; ``matrix`` is what its map holds of M."""
    sources = evidence.mode(model, start)
    about = tangent_at(model, sources, evidence.observed, evidence.mask)
    log_det, volume_slope = _volume(about, evidence)
    nu = float(evidence.nu)
    excess = matrix - np.eye(len(matrix))
    cost = log_det - evidence.log_posterior(model, sources) + 0.5 * float(np.sum(excess**2))
    slope = volume_slope - _pull(about, sources) / nu + matrix.T @ excess
    cross_talk = cross_talk_about(about, evidence.covariance, nu, evidence.n_samples)
    return Mixture(model, matrix, sources, cross_talk, cost, slope)


def _moved(here: Mixture, step: np.ndarray, evidence: Evidence) -> Mixture:
    """On to M (I + W): the same channels come of sources (I + W)^-1 s, and a mode is near those."""
    change = np.eye(len(step)) + step
    model = eqx.tree_at(lambda model: model.mixing.matrix, here.model, replace_fn=lambda matrix: matrix @ change)
    return _at(model, here.matrix @ change, jnp.linalg.solve(jnp.asarray(change), here.sources), evidence)


def _scoring_step(here: Joint) -> np.ndarray:
    """W by pairs: less the covariance of (w_kj, w_jk) times their slopes; nothing on the diagonal."""
    return -(here.cross_talk[:, :, 0, 0] * here.slope + here.cross_talk[:, :, 0, 1] * here.slope.T)


def _pull(about: Tangent, sources: Trajectories) -> np.ndarray:
    """The sum over time of (J' e) s', e the error at the mode."""
    root, data, gram, at = (np.asarray(array) for array in (about.root, about.data, about.gram, sources))
    return (np.einsum("tij,jt->it", root, data) - np.einsum("ijt,jt->it", gram, at)) @ at.T


def _volume(about: Tangent, evidence: Evidence) -> tuple[float, np.ndarray]:
    """The third term of F and its slope, T <G (K^-1 + G)^-1> with G = J' J / nu.

    In NumPy: two batched factorisations that XLA may run side by side wait for each other for ever on two threads.
    """
    gram = _grams(about) / float(evidence.nu)
    inverse_power = np.eye(gram.shape[1]) / np.asarray(evidence.covariance.nodes).T[:, :, None]
    precision = gram[:, None] + inverse_power[None]
    weights, n_samples = quadrature()[1], about.gram.shape[2]
    log_det = 0.5 * n_samples * np.mean(np.linalg.slogdet(precision)[1] @ weights)
    known = np.einsum("tij,tfjk,f->ik", gram, np.linalg.inv(precision), weights, optimize=True)
    return float(log_det), n_samples / len(gram) * known


def _grams(about: Tangent) -> np.ndarray:
    """``(t, n, n)``: J' J at times spread over the record."""
    gram = np.moveaxis(np.asarray(about.gram), 2, 0)
    most = max(1, min(VISITED, BUDGET // (gram.shape[1] ** 2 * len(quadrature()[1]))))
    return gram[:: -(-len(gram) // most)]
