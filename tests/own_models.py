"""A map and a prior as a user writes them, outside the package."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from stradiff.model.mixing import Mixing, MixingSpec
from stradiff.model.priors import Prior, PriorSpec
from stradiff.parameters import NON_NEGATIVE, POSITIVE, parameter


class QuadraticMap(Mixing):
    """A matrix, and another for the squares of the sources."""

    matrix: jax.Array  # (m, n)
    squares: jax.Array  # (m, n)

    def __call__(self, sources):
        return self.matrix @ sources + self.squares @ sources**2


class QuadraticSpec(MixingSpec):
    name = "quadratic"
    label = "a matrix and squares"
    module = QuadraticMap

    strength: float = parameter(0.1, NON_NEGATIVE, "weakly nonlinear")

    def build(self, n_sources, n_channels, *, unit_columns, key):
        matrix = jax.random.normal(key, (n_channels, n_sources), jnp.float32)
        return QuadraticMap(matrix, self.strength * matrix)


class WhiteNoise(Prior):
    """Independent Gaussian values about a learned level: the least a prior can be."""

    level: jax.Array

    def log_prob(self, source, times):
        return -0.5 * jnp.sum((source - self.level) ** 2 + jnp.log(2 * jnp.pi))

    def sample(self, key, n_samples, times):
        return self.level + jax.random.normal(key, (n_samples,))

    def spectrum(self, omega, n_samples):
        return jnp.ones_like(omega)

    @property
    def length_scale(self):
        return jnp.ones(()) / 100


class WhiteNoiseSpec(PriorSpec):
    name = "white_noise"
    label = "independent Gaussian values"

    scale: float = parameter(1.0, POSITIVE, "sources are of order one")

    def build(self, n_samples):
        return WhiteNoise(jnp.zeros((), jnp.float32))
