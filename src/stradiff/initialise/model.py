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

from stradiff.config import Settings
from stradiff.initialise.priors import priors_of
from stradiff.model.branches import Branch
from stradiff.model.compiled import compiled_soon
from stradiff.model.concatenation import Concatenation
from stradiff.model.diffusion.networks import Convolutional, Dense, Network, Reach
from stradiff.model.mixing import Mixing, MixingSettings, make_mixing
from stradiff.model.model import Model
from stradiff.model.priors import PriorSet
from stradiff.model.start import Start

MIXING_STEPS, MIXING_RATE = 500, 3e-3  # of Adam, before anything else is trained
UNITS_PER_CHANNEL = 4  # of a dense network's width: a convolution has its channels at every frame


def initial_model(
    observed: np.ndarray,
    settings: Settings,
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
        mean = settings.start_spread * jax.random.normal(noise, model.branches.start.mean.shape, jnp.float32)
        return eqx.tree_at(lambda m: m.branches.start.mean, model, mean)
    bare = observed if layout is None else layout.bare(observed)
    model = _placed(model, sources, bare)
    if settings.mixing == "linear" or observed.shape[1] == settings.n_sources:
        return model  # the least-squares matrix leaves nothing over
    return _with_fitted_mixing(model, jnp.asarray(bare))


def initial_trajectories(
    observed: np.ndarray,
    settings: Settings,
    sources: np.ndarray,
    key: PRNGKeyArray,
    layout: Concatenation | None = None,
) -> Float[Array, "n T"]:
    """``sources (T, n)`` as the initial model has them: in its scale, and padded."""
    structure, _ = jax.random.split(key)
    model = random_model(len(observed), observed.shape[1], settings, structure, layout=layout)
    return _placed(model, sources, observed if layout is None else layout.bare(observed)).at_mean()


def random_model(
    n_samples: int,
    n_channels: int,
    settings: Settings,
    key: PRNGKeyArray,
    reach: Reach | None = None,
    layout: Concatenation | None = None,
) -> Model:
    """Every part at its random or plain initial value, start means at zero.

    ``reach`` of convolutional branches; without, that of the priors' initial length-scales. ``layout``: the recordings
    that share the ``n_samples``, where they are several.
    """
    length = n_samples if layout is None else layout.length
    priors = priors_of(settings, length)
    reach = reach_of(priors, settings, length) if reach is None else reach
    branches, mixing = _random_maps(n_samples, length, n_channels, settings, reach, key)
    return Model(branches, priors, mixing, settings.standardise, layout)


def reach_of(priors: PriorSet, settings: Settings, n_samples: int) -> Reach | None:
    """How far a convolutional branch must see for sources of these priors; None for other branches."""
    if settings.branch == "none" or not settings.convolves(n_samples):
        return None
    return Reach.of(np.asarray(priors.length_scales, np.float64) * (n_samples - 1))


@compiled_soon
def _random_maps(
    n_samples: int, length: int, n_channels: int, settings: Settings, reach: Reach | None, key: PRNGKeyArray
) -> tuple[Branch, Mixing]:
    branches, mixing = jax.random.split(key)
    return _branches(n_samples, length, settings, reach, branches), _mixing(n_channels, settings, mixing)


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
    if model.parts is not None:
        unit = model.parts.padded(unit)
    model = eqx.tree_at(lambda m: m.branches.start.mean, model, jnp.asarray(unit.T / model.branches.gain, jnp.float32))
    if getattr(model.mixing, "matrix", None) is None:  # a plain MLP has no linear path to put the fit into
        return model
    return eqx.tree_at(lambda m: m.mixing.matrix, model, jnp.asarray(matrix.T, jnp.float32))


@compiled_soon
def _with_fitted_mixing(model: Model, observed: Float[Array, "T m"]) -> Model:
    """The model with its mixing fitted to the recording, without padding, at the sources it starts from."""
    sources = model.at_mean()
    if model.parts is not None:
        sources = sources[:, np.flatnonzero(model.parts.inside)]
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


def _branches(n_samples: int, length: int, settings: Settings, reach: Reach | None, key: PRNGKeyArray) -> Branch:
    def network(key: PRNGKeyArray) -> Network:
        width, scale = settings.network_width, settings.network_output_scale
        if reach is not None:
            return Convolutional(reach, max(1, width // UNITS_PER_CHANNEL), output_scale=scale, key=key)
        return Dense(length, width, settings.network_depth, output_scale=scale, key=key)

    zero = jnp.zeros((settings.n_sources, n_samples), jnp.float32)
    log_sigma = jnp.log(_per_source(settings.start_sigma, settings.n_sources))
    start = eqx.filter_vmap(Start)(zero, None if settings.deterministic_start else zero + log_sigma[:, None])
    if settings.branch == "none":
        return Branch(start, None, settings.schedule)
    if settings.branch == "shared":
        return Branch(start, network(key), settings.schedule, shared=True)
    networks = eqx.filter_vmap(network)(jax.random.split(key, settings.n_sources))
    return Branch(start, networks, settings.schedule)


def _mixing(n_channels: int, settings: Settings, key: PRNGKeyArray) -> Mixing:
    options = MixingSettings(
        settings.n_sources,
        n_channels,
        settings.mixing_width,
        settings.mixing_depth,
        settings.mixing_knots,
        settings.mixing_linear_path,
        settings.mixing_output_scale,
        unit_columns=not settings.standardise,
    )
    return make_mixing(settings.mixing, options, key)


def _per_source(values: float | tuple[float, ...], n_sources: int) -> Float[Array, " n"]:
    return jnp.asarray(np.broadcast_to(np.asarray(values, np.float32), (n_sources,)))
