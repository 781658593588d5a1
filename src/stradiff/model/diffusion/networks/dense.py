"""The network of the paper: fully connected, on the whole trajectory."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from stradiff.model.diffusion.networks.base import Network


class DenseNetwork(Network):
    """T (+ 1 for the level) -> width -> ... -> width -> T, SiLU in between.

    ``network(x, level) == decode(core(encode(x), level))`` with affine ``encode`` and ``decode``, so that a reverse
    path can be computed in ``width`` numbers instead of T (``stradiff.model.diffusion.reverse``).

    Parameters
    ----------
    n_samples, width, depth : T, units per hidden layer, number of hidden layers (at least 1).
    output_scale : factor on the initial last layer; 0 initialises the branch as the identity up to a scale.
    """

    weight_in: Float[Array, "width T"]
    weight_level: Float[Array, " width"]
    bias_in: Float[Array, " width"]
    weights: list[Float[Array, "width width"]]
    biases: list[Float[Array, " width"]]
    weight_out: Float[Array, "T width"]
    bias_out: Float[Array, " T"]

    def __init__(self, n_samples: int, width: int, depth: int, *, output_scale: float = 1.0, key: PRNGKeyArray):
        first, middle, last = jax.random.split(key, 3)
        weight = uniform(first, (width, n_samples + 1))
        self.weight_in, self.weight_level = weight[:, :-1], weight[:, -1]
        self.bias_in = jnp.zeros(width, jnp.float32)
        self.weights = [uniform(k, (width, width)) for k in jax.random.split(middle, depth - 1)]
        self.biases = [jnp.zeros(width, jnp.float32) for _ in range(depth - 1)]
        self.weight_out = output_scale * uniform(last, (n_samples, width))
        self.bias_out = jnp.zeros(n_samples, jnp.float32)

    def __call__(self, trajectory: Float[Array, " T"], level: Float[Array, ""]) -> Float[Array, " T"]:
        """eps_theta(x, tau / L)."""
        return self.decode(self.core(self.encode(trajectory), level))

    def encode(self, trajectory: Float[Array, " T"]) -> Float[Array, " width"]:
        """The linear part of the first layer."""
        return self.weight_in @ trajectory

    def core(self, code: Float[Array, " width"], level: Float[Array, ""]) -> Float[Array, " width"]:
        """The nonlinear part of the network."""
        hidden = jax.nn.silu(code + self.weight_level * level + self.bias_in)
        for weight, bias in zip(self.weights, self.biases, strict=True):
            hidden = jax.nn.silu(weight @ hidden + bias)
        return hidden

    def decode(self, hidden: Float[Array, " width"]) -> Float[Array, " T"]:
        """The last layer."""
        return self.weight_out @ hidden + self.bias_out


def uniform(key: PRNGKeyArray, shape: tuple[int, int]) -> Float[Array, "rows columns"]:
    """Uniform in +-1/sqrt(inputs), the usual initialisation of a dense layer (LeCun et al. 1998)."""
    bound = 1.0 / math.sqrt(shape[1])
    return jax.random.uniform(key, shape, jnp.float32, -bound, bound)
