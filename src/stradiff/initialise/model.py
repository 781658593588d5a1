"""The model before its first epoch, at random or at given sources."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from stradiff.config import Configuration
from stradiff.initialise.priors import build_priors
from stradiff.model.branches import Branch
from stradiff.model.compiled import quick_jit
from stradiff.model.concatenation import Concatenation
from stradiff.model.diffusion.networks import Network, ReceptiveField
from stradiff.model.mixing import Mixing
from stradiff.model.model import Model
from stradiff.model.priors import PriorSet
from stradiff.model.start import Start

MIXING_STEPS, MIXING_RATE = 500, 3e-3  # of Adam, before anything else is trained


def initial_model(
    observed: np.ndarray,
    settings: Configuration,
    sources: np.ndarray | None,
    priors: PriorSet,
    key: PRNGKeyArray,
    layout: Concatenation | None = None,
) -> Model:
    """The model before its first epoch (Algorithm 1, line 1), for normalised observations ``(T, m)``.

    Parameters
    ----------
    sources : ``(T, n)`` to start from, without padding; None: at random.
    priors : of these sources, as training begins with them.
    layout : of several recordings, whose observations are padded.
    """
    structure, noise = jax.random.split(key)
    reach = reach_of(priors, settings, len(observed) if layout is None else layout.length)
    model = random_model(len(observed), observed.shape[1], settings, structure, reach, layout)
    model = dataclasses.replace(model, priors=priors)
    if sources is None:
        mean = settings.diffusion.start_spread * jax.random.normal(noise, model.branches.start.mean.shape, jnp.float32)
        return eqx.tree_at(lambda m: m.branches.start.mean, model, mean)
    bare = observed if layout is None else layout.unpad(observed)
    model = _placed(model, sources, bare)
    if settings.mixing.is_linear or observed.shape[1] == settings.n_sources:
        return model  # the least-squares matrix leaves nothing over
    return _with_fitted_mixing(model, jnp.asarray(bare))


def initial_trajectories(
    observed: np.ndarray,
    settings: Configuration,
    sources: np.ndarray,
    key: PRNGKeyArray,
    layout: Concatenation | None = None,
) -> Float[Array, "n T"]:
    """``sources (T, n)`` as the initial model has them: in its scale, and padded."""
    structure, _ = jax.random.split(key)
    model = random_model(len(observed), observed.shape[1], settings, structure, layout=layout)
    return _placed(model, sources, observed if layout is None else layout.unpad(observed)).at_mean()


def random_model(
    n_samples: int,
    n_channels: int,
    settings: Configuration,
    key: PRNGKeyArray,
    reach: ReceptiveField | None = None,
    layout: Concatenation | None = None,
) -> Model:
    """Every part at its random or plain initial value, start means at zero.

    ``reach`` of convolutional branches; without, that of the priors' initial length-scales. ``layout``: the recordings
    that share the ``n_samples``, where they are several.
    """
    length = n_samples if layout is None else layout.length
    priors = build_priors(settings.initial_priors, length)
    reach = reach_of(priors, settings, length) if reach is None else reach
    branches, mixing = _random_maps(n_samples, length, n_channels, settings, reach, key)
    return Model(branches, priors, mixing, settings.objective.standardise, layout)


def reach_of(priors: PriorSet, settings: Configuration, n_samples: int) -> ReceptiveField | None:
    """How far a network that sees segments must reach for sources of these priors; None for others."""
    network = settings.network(n_samples)
    if network is None or network.sees_whole:
        return None
    return ReceptiveField.of(np.asarray(priors.length_scales, np.float64) * (n_samples - 1))


@quick_jit
def _random_maps(
    n_samples: int,
    length: int,
    n_channels: int,
    settings: Configuration,
    reach: ReceptiveField | None,
    key: PRNGKeyArray,
) -> tuple[Branch, Mixing]:
    of_branches, of_map = jax.random.split(key)
    spec, unit_columns = settings.mixing, not settings.objective.standardise
    mixing = spec.build(settings.n_sources, n_channels, unit_columns=unit_columns, key=of_map)
    return _branches(n_samples, length, settings, reach, of_branches), mixing


def _placed(model: Model, sources: np.ndarray, observed: np.ndarray) -> Model:
    """Start means that the untrained branch maps to ``sources``, and the mixing at its least-squares linear fit.

    An untrained branch predicts no noise: the reverse path then only multiplies its start. Of several recordings both
    arrays are without padding.
    """
    unit = (sources - sources.mean(axis=0)) / sources.std(axis=0)
    matrix, *_ = np.linalg.lstsq(unit, observed, rcond=None)
    if not model.standardise:  # the scale of a source then belongs to it, and the columns of the mixing have norm one
        norm = np.linalg.norm(matrix, axis=1)
        unit, matrix = unit * norm, matrix / norm[:, None]
    if model.layout is not None:
        unit = model.layout.pad(unit)
    model = eqx.tree_at(lambda m: m.branches.start.mean, model, jnp.asarray(unit.T / model.branches.gain, jnp.float32))
    if model.mixing.matrix is None:  # a plain MLP has no linear path to put the fit into
        return model
    return eqx.tree_at(lambda m: m.mixing.matrix, model, jnp.asarray(matrix.T, jnp.float32))


@quick_jit
def _with_fitted_mixing(model: Model, observed: Float[Array, "T m"]) -> Model:
    """The model with its mixing fitted to the recording, without padding, at the sources it starts from."""
    sources = model.at_mean()
    if model.layout is not None:
        sources = sources[:, np.flatnonzero(model.layout.mask)]
    adam = optax.adam(MIXING_RATE)

    def error(mixing: Mixing) -> Float[Array, ""]:
        return jnp.mean((observed - jax.vmap(mixing, in_axes=1)(sources)) ** 2)

    def step(_: Array, carry: tuple[Mixing, Any]) -> tuple[Mixing, Any]:
        mixing, state = carry
        change, state = adam.update(eqx.filter_grad(error)(mixing), state)
        return eqx.apply_updates(mixing, change), state

    mixing = model.mixing
    carry = mixing, adam.init(eqx.filter(mixing, eqx.is_inexact_array))
    fitted, _ = jax.lax.fori_loop(0, MIXING_STEPS, step, carry)
    return eqx.tree_at(lambda m: m.mixing, model, fitted)


def _branches(
    n_samples: int, length: int, settings: Configuration, reach: ReceptiveField | None, key: PRNGKeyArray
) -> Branch:
    diffusion, n_sources = settings.diffusion, settings.n_sources
    zero = jnp.zeros((n_sources, n_samples), jnp.float32)
    log_sigma = jnp.log(_per_source(diffusion.start_sigma, n_sources))
    start = eqx.filter_vmap(Start)(zero, None if diffusion.deterministic_start else zero + log_sigma[:, None])
    spec = settings.network(length)
    if spec is None:
        return Branch(start, None, diffusion.noise_levels)

    def network(key: PRNGKeyArray) -> Network:
        return spec.build(length, reach, diffusion.output_scale, key)

    if diffusion.shared:
        return Branch(start, network(key), diffusion.noise_levels, shared=True)
    return Branch(start, eqx.filter_vmap(network)(jax.random.split(key, n_sources)), diffusion.noise_levels)


def _per_source(values: float | tuple[float, ...], n_sources: int) -> Float[Array, " n"]:
    return jnp.asarray(np.broadcast_to(np.asarray(values, np.float32), (n_sources,)))
