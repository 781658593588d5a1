"""New trajectories of a fitted model's sources, by every way there is, judged against the process of the true ones.

Used by ``research/branch.py``. The paper's claim is that a branch generates its source from noise: z ~ N(0, I) goes
through it. Beside it stand z ~ q(z), draws of the fitted prior, and networks trained afterwards
(``generative_networks.py``).
"""

from __future__ import annotations

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from generative_networks import REACH, Convolutional, dense, generated, trained
from scipy.stats import wasserstein_distance

from stradiff import StrADiff, match_sources
from stradiff.data.sources import gp_sources, multimodal_sources, standardise
from stradiff.model import numerics
from stradiff.model.branches import Branch, over_sources
from stradiff.model.priors import GaussianProcessPrior, PriorSet

T, LENGTH_SCALES, XI = 500, (50.0, 15.0, 5.0), 1e-3
N_DRAWS, N_REFERENCE, N_EXAMPLES = 50, 200, 30


def drawn_from(process: str, seed: int) -> np.ndarray:
    """Sources ``(T, 3)`` of a known process: that of the default prior, or smooth walks between levels."""
    if process == "multimodal":
        return multimodal_sources(T, seed=seed)
    white = np.random.default_rng(seed).standard_normal((T, len(LENGTH_SCALES)))
    return gp_sources(T, LENGTH_SCALES, seed=seed) + np.sqrt(XI) * white


def draws(
    model: StrADiff, process: str, truth: np.ndarray, seed: int, *, prior: bool, afterwards: bool
) -> dict[str, dict[str, list]]:
    """Scores of new trajectories of a fit: by its branch and, if asked for, by its prior and by networks afterwards."""
    fitted, readout = model._separation.model, model._separation.readout
    order = match_sources(model.sources_, truth).order
    keys = jax.random.split(jax.random.key(seed), 6)
    with numerics():
        noise = jax.random.normal(keys[0], (N_DRAWS, 3, T), jnp.float32)
        standard = jax.tree.map(jnp.zeros_like, fitted.branches.start)  # mean 0, and sigma 1 by its logarithm
        anew = dataclasses.replace(fitted.branches, start=standard)
        raw = {"branch": through(anew, noise)}
        if afterwards:
            raw["branch, z from q(z)"] = through(fitted.branches, noise)
        if prior:
            raw["fitted prior"] = from_priors(fitted.priors, jax.random.split(keys[1], N_DRAWS))
        if afterwards:
            examples = readout.hide(model.sample_sources(N_EXAMPLES))
            examples = jnp.moveaxis(jnp.asarray(examples / examples.std(axis=1, keepdims=True)), 2, 0)
            if process == "rbf":  # it stays white noise, whatever the process
                raw["dense, afterwards"] = generated(trained(dense(T), examples, keys[2]), noise)
            longer = jax.random.normal(keys[4], (N_DRAWS, 3, T + 2 * REACH), jnp.float32)
            moved = generated(trained(Convolutional, examples, keys[3]), longer)
            raw["convolutional, afterwards"] = moved[..., REACH:-REACH]
    shown = {name: readout.show(np.moveaxis(np.asarray(way), 1, 2))[..., order] for name, way in raw.items()}
    fresh = [drawn_from(process, 100_000 * (seed + 1) + r) for r in range(N_REFERENCE + N_DRAWS)]
    reference, shown["truth"] = np.stack(fresh[:N_REFERENCE]), np.stack(fresh[N_REFERENCE:])
    estimate = model.sources_[:, order].astype(float)
    return {name: judged(way, reference, estimate, process) for name, way in shown.items()}


@eqx.filter_jit
def through(branches: Branch, noise: jax.Array) -> jax.Array:
    """Sources ``(R, n, T)`` that standard-normal ``noise`` is mapped to."""
    return jax.lax.map(lambda one: over_sources(Branch.at, branches, one), noise)


@eqx.filter_jit
def from_priors(priors: PriorSet, keys: jax.Array) -> jax.Array:
    """Draws ``(R, n, T)`` of the priors as they were fitted."""
    each = [priors.prior(k) for k in range(priors.n_sources)]
    return jnp.stack([jax.lax.map(lambda key, p=p: p.sample(key, T, None), keys) for p in each], axis=1)


def judged(drawn: np.ndarray, reference: np.ndarray, estimate: np.ndarray, process: str) -> dict[str, list]:
    """Scores of draws ``(R, T, n)`` beside the true process's, source by source; all standardised over time.

    ``spectrum``: root mean square distance of the log spectra, in dB. ``amplitude``: Wasserstein distance of the
    pooled values. ``repeats``: mean |correlation| with the source ``estimate (T, n)``; 1: nothing new is drawn.
    ``density``: where the true process is Gaussian, mean log density under it, in nats per sample.
    """
    drawn, estimate = np.stack([standardise(one.astype(float)) for one in drawn]), standardise(estimate)
    sources = range(estimate.shape[1])
    ratio = 10 * np.log10(spectrum(drawn) / spectrum(reference))
    apart = [wasserstein_distance(drawn[..., k].ravel(), reference[..., k].ravel()) for k in sources]
    repeats = np.mean(np.abs(np.einsum("rtn,tn->rn", drawn, estimate)) / len(estimate), axis=0)
    scores = {"spectrum": np.sqrt(np.mean(ratio**2, axis=0)).tolist(), "amplitude": apart, "repeats": repeats.tolist()}
    return scores | ({"density": density(drawn)} if process == "rbf" else {})


def spectrum(drawn: np.ndarray) -> np.ndarray:
    """Mean periodogram ``(F, n)`` over draws, without the mean; tapered, as steep spectra need it."""
    taper = np.hanning(drawn.shape[1])[None, :, None]
    return np.mean(np.abs(np.fft.rfft(taper * drawn, axis=1)) ** 2, axis=0)[1:]


def density(drawn: np.ndarray) -> list[float]:
    """Mean log density per sample of draws ``(R, T, n)`` under the process of ``drawn_from("rbf", ..)``."""
    with numerics():
        priors = [GaussianProcessPrior(scale / (T - 1), jitter=XI) for scale in LENGTH_SCALES]
        prior_set = PriorSet.of(priors, ["rbf"] * len(priors))
        return (_log_density(prior_set, jnp.asarray(np.moveaxis(drawn, 1, 2))) / T).tolist()


@eqx.filter_jit
def _log_density(priors: PriorSet, sources: jax.Array) -> jax.Array:
    return jnp.mean(jax.lax.map(lambda one: priors.log_prob(one, None), sources), axis=0)
