"""Where training starts: the model built from its settings, at random, at SOBI's answer or at given sources."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from stradiff.baselines import SOBI
from stradiff.errors import OptionError
from stradiff.fitting.settings import Settings
from stradiff.model.branches import Branch
from stradiff.model.mixing import MLP, Linear, Mixing
from stradiff.model.model import Model
from stradiff.model.networks import Dense
from stradiff.model.priors import GaussianProcess, Prior
from stradiff.model.start import Start

LENGTH_SCALES = 40  # candidates from one sample to the whole record: a factor of 1.2 apart at T = 1000
LENGTH_SCALE = 0.05  # until the candidates are compared


def initial_model(
    observed: np.ndarray,
    times: np.ndarray | None,
    settings: Settings,
    key: PRNGKeyArray,
    guess: np.ndarray | None = None,
) -> Model:
    """The model before its first epoch (Algorithm 1, line 1), for normalised observations ``(T, m)``.

    ``guess (T, n)`` are the sources to start from when ``settings.init`` is ``"given"``.
    """
    structure, start = jax.random.split(key)
    model = random_model(observed.shape[0], observed.shape[1], settings, structure)
    if settings.init == "random":
        mean = settings.start_spread * jax.random.normal(start, model.branches.start.mean.shape, jnp.float32)
        return eqx.tree_at(lambda m: m.branches.start.mean, model, mean)
    if settings.init == "sobi":
        # An array again: a global set_output of scikit-learn's would make it a frame.
        guess = np.asarray(SOBI(n_components=settings.n_sources).fit_transform(np.asarray(observed, np.float64)))
    if guess is None:
        raise OptionError("init='given' needs the sources to start from.")
    model = _start_from(model, guess, observed)
    return model if settings.length_scale_init is not None else with_likely_length_scales(model, times)


@eqx.filter_jit
def random_model(n_samples: int, n_channels: int, settings: Settings, key: PRNGKeyArray) -> Model:
    """Every part at its random or plain initial value, start means at zero."""
    branches, mixing = jax.random.split(key)
    return Model(
        branches=_branches(n_samples, settings, branches),
        priors=_priors(settings),
        mixing=_mixing(n_channels, settings, mixing),
        standardise=settings.standardise,
    )


def _start_from(model: Model, guess: np.ndarray, observed: np.ndarray) -> Model:
    """Start means that the untrained branch maps to ``guess``, and the map at its least-squares linear fit.

    The reverse path multiplies its start by 1 / sqrt(abar_L) when the network is silent.
    """
    unit = (guess - guess.mean(axis=0)) / guess.std(axis=0)
    matrix, *_ = np.linalg.lstsq(unit, observed, rcond=None)
    if not model.standardise:  # then the scale of a source belongs to it, and the columns of the map are of norm one
        norm = np.linalg.norm(matrix, axis=1)
        unit, matrix = unit * norm, matrix / norm[:, None]
    attenuation = np.sqrt(model.branches.schedule.alpha_bar[-1])
    model = eqx.tree_at(lambda m: m.branches.start.mean, model, jnp.asarray(attenuation * unit.T, jnp.float32))
    if getattr(model.mixing, "matrix", None) is None:  # a plain MLP has no linear path to put the fit into
        return model
    return eqx.tree_at(lambda m: m.mixing.matrix, model, jnp.asarray(matrix.T, jnp.float32))


def _branches(n_samples: int, settings: Settings, key: PRNGKeyArray) -> Branch:
    log_sigma = jnp.log(_per_source(settings.start_sigma, settings.n_sources))

    def branch(key: PRNGKeyArray, log_sigma: Float[Array, ""]) -> Branch:
        start = Start(jnp.zeros(n_samples, jnp.float32), jnp.full(n_samples, log_sigma, jnp.float32))
        network = Dense(
            n_samples,
            settings.network_width,
            settings.network_depth,
            output_scale=settings.network_output_scale,
            key=key,
        )
        return Branch(start, network, settings.schedule)

    return eqx.filter_vmap(branch)(jax.random.split(key, settings.n_sources), log_sigma)


def _priors(settings: Settings) -> GaussianProcess:
    def prior(length_scale: Float[Array, ""]) -> GaussianProcess:
        return GaussianProcess(
            length_scale,
            kernel=settings.prior,
            sigma_f=settings.sigma_f,
            jitter=settings.jitter,
            learn_sigma_f=settings.learn_sigma_f,
            learn_jitter=settings.learn_jitter,
            solver=settings.solver,
        )

    return eqx.filter_vmap(prior)(_per_source(settings.length_scale_init or LENGTH_SCALE, settings.n_sources))


def _mixing(n_channels: int, settings: Settings, key: PRNGKeyArray) -> Mixing:
    if settings.mixing == "linear":
        return Linear(settings.n_sources, n_channels, unit_columns=not settings.standardise, key=key)
    return MLP(
        settings.n_sources,
        n_channels,
        settings.mixing_width,
        settings.mixing_depth,
        linear_path=settings.mixing_linear_path,
        output_scale=settings.mixing_output_scale,
        key=key,
    )


def _per_source(values: float | tuple[float, ...], n_sources: int) -> Float[Array, " n"]:
    return jnp.asarray(np.broadcast_to(np.asarray(values, np.float32), (n_sources,)))


def with_likely_length_scales(model: Model, times: np.ndarray | None) -> Model:
    """The model with every length-scale where its prior finds the present source most likely.

    A length-scale far too long makes a source infinitely unlikely at first, and training bends the source to the prior
    before the prior can come to the source.
    """
    candidates = np.geomspace(1.0 / (model.n_samples - 1), 1.0, LENGTH_SCALES).astype(np.float32)
    sources = model.at(jnp.zeros_like(model.branches.start.mean))
    grid = None if times is None else jnp.asarray(times)
    log_likelihood = _length_scale_scan(model, sources, grid, jnp.asarray(candidates))
    best = jnp.log(candidates[np.argmax(np.asarray(log_likelihood), axis=1)])
    return eqx.tree_at(lambda m: m.priors.log_length_scale, model, best)


@eqx.filter_jit
def _length_scale_scan(
    model: Model,
    sources: Float[Array, "n T"],
    times: Float[Array, " T"] | None,
    candidates: Float[Array, " c"],
) -> Float[Array, "n c"]:
    def scan(prior: Prior, source: Float[Array, " T"]) -> Float[Array, " c"]:
        def at(candidate: Float[Array, ""]) -> Float[Array, ""]:
            moved: Prior = eqx.tree_at(lambda p: p.log_length_scale, prior, jnp.log(candidate))
            return moved.log_prob(source, times)

        return jax.lax.map(at, candidates)

    return model.per_source(scan, sources)
