"""Nonlinear mixing by a multilayer perceptron, with or without a linear path beside it."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from stradiff.model.mixing.base import Mixing, MixingSpec
from stradiff.parameters import FLAG, NON_NEGATIVE, count, parameter


class MLPMap(Mixing):
    """g(s) = [A s +] W_d act(.. act(W_1 s + b_1) ..) + b_d.

    Parameters
    ----------
    n_sources, n_channels, width, depth : n, m, units per hidden layer, number of hidden layers.
    linear_path : whether A is there; the network is then what the map has beyond a linear one.
    output_scale : factor on the initial last layer: small, and the map starts near its linear path.
    """

    weights: list[Float[Array, "to from"]]
    biases: list[Float[Array, " to"]]
    matrix: Float[Array, "m n"] | None

    def __init__(
        self,
        n_sources: int,
        n_channels: int,
        width: int,
        depth: int,
        *,
        linear_path: bool = False,
        output_scale: float = 1.0,
        key: PRNGKeyArray,
    ):
        sizes = [n_sources] + depth * [width] + [n_channels]
        keys = jax.random.split(key, depth + 2)
        self.weights = [_glorot(k, out, into) for k, into, out in zip(keys, sizes[:-1], sizes[1:], strict=False)]
        self.weights[-1] = output_scale * self.weights[-1]
        self.biases = [jnp.zeros(out, jnp.float32) for out in sizes[1:]]
        self.matrix = _glorot(keys[-1], n_channels, n_sources) if linear_path else None

    def __call__(self, sources: Float[Array, " n"]) -> Float[Array, " m"]:
        """g(s)."""
        hidden = sources
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = jax.nn.silu(weight @ hidden + bias)
        output = self.weights[-1] @ hidden + self.biases[-1]
        return output if self.matrix is None else self.matrix @ sources + output


class NetworkMixingSpec(MixingSpec):
    """A map with networks in it; the counts are those of a multilayer perceptron.

    Parameters
    ----------
    width, depth : hidden units of a layer, and layers.
    output_scale : factor on the initial last layer: at 0 a network starts silent.
    """

    width: int = parameter(32, count(1), "ten units per channel of a small array")
    depth: int = parameter(2, count(1, 100), "the study's mixings have two layers")
    output_scale: float = parameter(None, NON_NEGATIVE, "near zero, a network learns what the linear fit leaves")

    def n_parameters(self, n_channels: int) -> int:
        """The weights between hidden layers."""
        return self.depth * self.width**2

    def n_hidden(self, n_channels: int) -> int:
        """The units of all hidden layers."""
        return self.depth * self.width


class MLP(NetworkMixingSpec):
    """y = a multilayer perceptron of s, with ``linear_path`` y = A s + a multilayer perceptron of s."""

    name = "mlp"
    label = "a nonlinear map (a small neural network)"
    module = MLPMap

    linear_path: bool = parameter(None, FLAG, "a network need not learn what a matrix can do; the paper's is plain")

    def build(self, n_sources: int, n_channels: int, *, unit_columns: bool, key: PRNGKeyArray) -> MLPMap:
        """Layers, and A where it is there, by Glorot's rule; columns of A are free."""
        return MLPMap(n_sources, n_channels, **self.given(), key=key)


class Residual(NetworkMixingSpec):
    """y = A s + a multilayer perceptron of s."""

    name = "residual"
    label = "a nonlinear map (a small neural network beside a linear one)"
    module = MLPMap

    def build(self, n_sources: int, n_channels: int, *, unit_columns: bool, key: PRNGKeyArray) -> MLPMap:
        """Layers and A by Glorot's rule; columns of A are free."""
        return MLPMap(n_sources, n_channels, **self.given(), linear_path=True, key=key)


def _glorot(key: PRNGKeyArray, n_out: int, n_in: int) -> Float[Array, "to from"]:
    """Normal with variance 2 / (inputs + outputs) (Glorot & Bengio 2010)."""
    return math.sqrt(2.0 / (n_in + n_out)) * jax.random.normal(key, (n_out, n_in), jnp.float32)
