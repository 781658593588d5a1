"""Models with every parameter drawn at random in float64: no part is at rest, and nothing is trained or compiled."""

from __future__ import annotations

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stradiff.initialise.model import random_model
from stradiff.train.objective import Noise


def random_double_model(config, n_samples, n_channels, seed=0, reach=None, layout=None):
    """To be called with double precision switched on; ``reach`` is that of convolutional branches."""
    rng = np.random.default_rng(seed)
    skeleton = eqx.filter_eval_shape(
        lambda key: random_model(n_samples, n_channels, config, key, reach, layout), jax.random.key(0)
    )
    model = jax.tree.map(lambda leaf: jnp.asarray(0.2 * rng.standard_normal(leaf.shape)), skeleton)
    for name, centre in (("length_scale", 0.15), ("sigma_f", 0.8), ("jitter", 0.01)):
        where = partial(hyperparameter, name)
        model = eqx.tree_at(where, model, where(model) + np.log(centre))
    return model


def hyperparameter(name, model):
    return getattr(model.priors.groups[0], f"log_{name}")


def random_noise(config, n_samples, seed=1):
    """What one epoch draws, from NumPy."""
    rng = np.random.default_rng(seed)
    shape = (config.n_sources, n_samples)
    start, diffusion = (jnp.asarray(rng.standard_normal(shape)) for _ in range(2))
    tau = rng.integers(1, config.diffusion.n_steps + 1, config.n_sources)
    return Noise(start, jnp.asarray(tau), diffusion, jax.random.key(seed))
