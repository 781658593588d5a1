"""Where training starts: the model built from its settings, at random, at a linear method's answer or as given."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from stradiff.config import AUTO, Settings
from stradiff.errors import OptionError
from stradiff.initialise.candidates import METHODS, linear_sources
from stradiff.initialise.prior_selection import CANDIDATES, ON_IRREGULAR_TIMES, best_of, tuned_and_judged
from stradiff.initialise.priors import priors_of
from stradiff.model.branches import Branch
from stradiff.model.compiled import compiled_soon
from stradiff.model.concatenation import Concatenation
from stradiff.model.diffusion.networks import Convolutional, Dense, Network, Reach
from stradiff.model.mixing import Mixing, MixingSettings, make_mixing
from stradiff.model.model import Model
from stradiff.model.priors import PriorSet
from stradiff.model.start import Start

MAP_STEPS, MAP_RATE = 500, 3e-3  # of Adam, before anything else is trained
UNITS_PER_CHANNEL = 4  # of a dense network's width: a convolution has its channels at every frame


def initial_model(
    observed: np.ndarray,
    times: np.ndarray | None,
    settings: Settings,
    key: PRNGKeyArray,
    guess: np.ndarray | None = None,
    parts: Concatenation | None = None,
) -> Model:
    """The model before its first epoch (Algorithm 1, line 1), for normalised observations ``(T, m)``.

    ``guess (T, n)`` are the sources to start from, instead of those that ``settings.init`` finds; ``"given"`` needs
    them. Of several recordings (``parts``) the observations are padded, and a guess is bare.
    """
    structure, start = jax.random.split(key)
    model = random_model(observed.shape[0], observed.shape[1], settings, structure, parts=parts)
    if settings.init == "random":
        mean = settings.start_spread * jax.random.normal(start, model.branches.start.mean.shape, jnp.float32)
        return eqx.tree_at(lambda m: m.branches.start.mean, model, mean)
    bare = observed if parts is None else parts.bare(observed)
    model = _start_from(model, starting_sources(bare, settings, guess), bare)
    if (
        settings.mixing != "linear" and observed.shape[1] > settings.n_sources
    ):  # else the linear fit leaves nothing over
        model = _fit_map(model, jnp.asarray(bare))
    model = _with_priors(model, None if times is None else jnp.asarray(times), settings)
    if settings.branch == "none" or not settings.convolves(model.length):
        return model
    reach = reach_of(model.priors, model.length)
    branches, _ = _random_maps(model.n_samples, model.length, observed.shape[1], settings, reach, structure)
    return eqx.tree_at(lambda m: m.branches.network, model, branches.network)


def starting_sources(observed: np.ndarray, settings: Settings, guess: np.ndarray | None = None) -> np.ndarray:
    """Sources ``(T, n)`` that training starts from when it does not start at random: those given, or the method's."""
    if guess is not None:
        return guess
    if settings.init not in METHODS:
        raise OptionError("init='given' needs the sources to start from.")
    return linear_sources(observed, settings.init, settings.n_sources)


def random_model(
    n_samples: int,
    n_channels: int,
    settings: Settings,
    key: PRNGKeyArray,
    reach: Reach | None = None,
    parts: Concatenation | None = None,
) -> Model:
    """Every part at its random or plain initial value, start means at zero.

    ``reach`` of convolutional branches; without, that of the priors' initial length-scales. ``parts``: the recordings
    that share the ``n_samples``, where they are several.
    """
    length = n_samples if parts is None else parts.length
    priors = priors_of(settings, length)
    if reach is None and settings.branch != "none" and settings.convolves(length):
        reach = reach_of(priors, length)
    branches, mixing = _random_maps(n_samples, length, n_channels, settings, reach, key)
    return Model(branches, priors, mixing, settings.standardise, parts)


def reach_of(priors: PriorSet, n_samples: int) -> Reach:
    """How far a convolutional branch must see for sources of these priors."""
    return Reach.of(np.asarray(priors.length_scales, np.float64) * (n_samples - 1))


def _with_priors(model: Model, times: Float[Array, " T"] | None, settings: Settings) -> Model:
    """The model with the priors its present sources ask for: the likeliest of ``"auto"``, tuned unless told where."""
    sources = model.at_mean()
    if settings.prior != AUTO:
        if settings.length_scale_init is not None:
            return model
        return eqx.tree_at(lambda m: m.priors, model, tuned_and_judged(model.priors, sources, times, model.parts)[0])
    names = CANDIDATES if times is None else ON_IRREGULAR_TIMES
    banks = [priors_of(dataclasses.replace(settings, prior=name), model.length) for name in names]
    priors = best_of(banks, sources, times, model.parts)
    if settings.length_scale_init is not None:
        priors = priors_of(dataclasses.replace(settings, prior=priors.names), model.length)
    return eqx.tree_at(lambda m: m.priors, model, priors)


@compiled_soon
def _random_maps(
    n_samples: int, length: int, n_channels: int, settings: Settings, reach: Reach | None, key: PRNGKeyArray
) -> tuple[Branch, Mixing]:
    branches, mixing = jax.random.split(key)
    return _branches(n_samples, length, settings, reach, branches), _mixing(n_channels, settings, mixing)


def _start_from(model: Model, guess: np.ndarray, observed: np.ndarray) -> Model:
    """Start means that the untrained branch maps to ``guess``, and the map at its least-squares linear fit.

    Untrained means silent: the reverse path then only multiplies its start. Of several recordings both are bare.
    """
    unit = (guess - guess.mean(axis=0)) / guess.std(axis=0)
    matrix, *_ = np.linalg.lstsq(unit, observed, rcond=None)
    if not model.standardise:  # then the scale of a source belongs to it, and the columns of the map are of norm one
        norm = np.linalg.norm(matrix, axis=1)
        unit, matrix = unit * norm, matrix / norm[:, None]
    if model.parts is not None:
        unit = model.parts.padded(unit)
    model = eqx.tree_at(lambda m: m.branches.start.mean, model, jnp.asarray(unit.T / model.branches.gain, jnp.float32))
    if getattr(model.mixing, "matrix", None) is None:  # a plain MLP has no linear path to put the fit into
        return model
    return eqx.tree_at(lambda m: m.mixing.matrix, model, jnp.asarray(matrix.T, jnp.float32))


@compiled_soon
def _fit_map(model: Model, observed: Float[Array, "T m"]) -> Model:
    """The model with its map nearer to explaining the recording, bare, by the sources it starts from."""
    sources = model.at_mean()
    if model.parts is not None:
        sources = sources[:, np.flatnonzero(model.parts.inside)]
    adam = optax.adam(MAP_RATE)

    def misfit(mixing: Mixing) -> Float[Array, ""]:
        return jnp.mean((observed - jax.vmap(mixing, in_axes=1)(sources)) ** 2)

    def step(_: Array, carry: tuple[Mixing, Any]) -> tuple[Mixing, Any]:
        mixing, state = carry
        change, state = adam.update(eqx.filter_grad(misfit)(mixing), state)
        return eqx.apply_updates(mixing, change), state

    mixing = model.mixing
    fitted, _ = jax.lax.fori_loop(0, MAP_STEPS, step, (mixing, adam.init(eqx.filter(mixing, eqx.is_inexact_array))))
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
    told = MixingSettings(
        settings.n_sources,
        n_channels,
        settings.mixing_width,
        settings.mixing_depth,
        settings.mixing_knots,
        settings.mixing_linear_path,
        settings.mixing_output_scale,
        unit_columns=not settings.standardise,
    )
    return make_mixing(settings.mixing, told, key)


def _per_source(values: float | tuple[float, ...], n_sources: int) -> Float[Array, " n"]:
    return jnp.asarray(np.broadcast_to(np.asarray(values, np.float32), (n_sources,)))
