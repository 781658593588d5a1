"""A model of two smooth sources with everything known, and recordings of theirs."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from random_models import random_double_model
from short import configuration

from stradiff.config import Dense
from stradiff.model.mixing import MLP

T, NU, JITTER = 60, 0.02, 1e-2
SCALES = np.array([2.0, 8.0])  # samples
MATRIX = np.array([[1.0, 0.4], [-0.3, 0.8], [0.2, 0.5]])


def model_of(mixing="linear", n_samples=T):
    """The model of ``simulated_long``; of a network called "mlp", with random weights."""
    mixing = MLP(width=6) if mixing == "mlp" else mixing
    config = configuration(n_sources=2, mixing=mixing, network=Dense(width=2), n_steps=1)
    model = random_double_model(config, n_samples, 3)
    (priors,) = model.priors.groups
    values = (np.log(SCALES / (n_samples - 1)), np.zeros(2), np.full(2, np.log(JITTER)))
    priors = eqx.tree_at(
        lambda p: (p.log_length_scale, p.log_sigma_f, p.log_jitter), priors, tuple(map(jnp.asarray, values))
    )
    model = eqx.tree_at(lambda m: m.priors.groups, model, (priors,))
    if mixing == "linear":
        return eqx.tree_at(lambda m: m.mixing.matrix, model, jnp.asarray(MATRIX))
    return model


def simulated_long(n_samples, seed=0):
    """Sources of ``model_of`` and a recording of theirs, on a regular grid of any length."""
    rng, sources = np.random.default_rng(seed), []
    for scale in SCALES:
        lag = np.minimum(np.arange(8 * n_samples), np.arange(8 * n_samples)[::-1] + 1)
        power = np.fft.rfft(np.exp(-0.5 * (lag / scale) ** 2)).real.clip(0.0) + JITTER
        white = np.fft.rfft(rng.standard_normal(8 * n_samples))
        sources.append(np.fft.irfft(np.sqrt(power) * white)[:n_samples])
    observed = np.stack(sources, axis=1) @ MATRIX.T + np.sqrt(NU) * rng.standard_normal((n_samples, 3))
    return np.stack(sources), observed
