"""A network that does not grow with the recording: strided and dilated convolutions (van den Oord et al. 2016)."""

from __future__ import annotations

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from stradiff.model.diffusion.networks.base import Network
from stradiff.model.diffusion.networks.dense import uniform

STRIDES = (
    8,
    64,
)  # fewer samples a frame: more to compute than the samples themselves; more: frames blur what is in them
LAYERS = (1, 6)  # of dilations 1, 2, 4, ..: the longest sees 2 x 63 frames and the two of its own
FRAMES_EACH_SIDE = 2  # of length-scales: beyond, an RBF source has forgotten itself


class ReceptiveField(NamedTuple):
    """How far a network sees: samples per frame, and layers of doubling dilation."""

    stride: int
    n_layers: int

    @classmethod
    def of(cls, length_scales: np.ndarray) -> ReceptiveField:
        """For sources of these length-scales, in samples: frames finer than the shortest, a view beyond the longest."""
        stride = 2 ** round(math.log2(max(float(np.min(length_scales)) / 2.0, 1.0)))
        stride = int(np.clip(stride, *STRIDES))
        seen = FRAMES_EACH_SIDE * float(np.max(length_scales)) / stride
        return cls(stride, int(np.clip(math.ceil(math.log2(seen + 1.0)), *LAYERS)))

    @property
    def samples(self) -> int:
        """How far to each side a sample of the output depends on the input."""
        return self.stride * (2**self.n_layers + 1)


class ConvolutionalNetwork(Network):
    """Frames of ``stride`` samples -> channels per frame -> residual dilated convolutions -> samples again.

    Every frame is encoded together with the next one, and decoded together with the one before, so that frames join
    smoothly. Its size does not depend on T; beyond its ends a trajectory counts as zero.

    Parameters
    ----------
    reach : samples per frame, and number of dilated layers.
    width : channels per frame.
    output_scale : factor on the initial last layer; 0 starts the branch as the identity up to a scale.
    """

    weight_in: Float[Array, "two_strides width"]
    weight_level: Float[Array, " width"]
    bias_in: Float[Array, " width"]
    weights: list[Float[Array, "three_widths width"]]
    biases: list[Float[Array, " width"]]
    weight_out: Float[Array, "two_widths stride"]
    bias_out: Float[Array, ""]
    stride: int = eqx.field(static=True)

    def __init__(self, reach: ReceptiveField, width: int, *, output_scale: float = 1.0, key: PRNGKeyArray):
        first, middle, last = jax.random.split(key, 3)
        rows = 2 * reach.stride + 1  # two frames, and the level
        whole = uniform(first, (width, rows)).T
        self.weight_in, self.weight_level = whole[:-1], whole[-1]
        self.bias_in = jnp.zeros(width, jnp.float32)
        self.weights = [uniform(k, (width, 3 * width)).T for k in jax.random.split(middle, reach.n_layers)]
        self.biases = [jnp.zeros(width, jnp.float32) for _ in range(reach.n_layers)]
        self.weight_out = output_scale * uniform(last, (reach.stride, 2 * width)).T
        self.bias_out = jnp.zeros((), jnp.float32)
        self.stride = reach.stride

    def __call__(self, trajectory: Float[Array, " T"], level: Float[Array, ""]) -> Float[Array, " T"]:
        """eps_theta(x, tau / L)."""
        return self._output(self._framed(trajectory), level, None)[: trajectory.shape[0]]

    def until(
        self, trajectory: Float[Array, " T"], level: Float[Array, ""], inside: Bool[Array, " T"]
    ) -> Float[Array, " T"]:
        """The same of a trajectory cut off where ``inside`` ends, in an array as long as before; zero beyond."""
        seen = jnp.where(inside, trajectory, 0.0)
        frames = jnp.any(self._framed(inside), axis=0, keepdims=True)
        output = self._output(self._framed(seen), level, frames)[: trajectory.shape[0]]
        return jnp.where(inside, output, 0.0)

    def _framed(self, trajectory: Float[Array, " T"] | Bool[Array, " T"]) -> Array:
        """Frames in columns, ``(stride, F)``: what is done to every number then runs along the record."""
        return jnp.pad(trajectory, (0, -trajectory.shape[0] % self.stride)).reshape(-1, self.stride).T

    def _output(self, frames: Float[Array, "stride F"], level: Array, there: Bool[Array, "1 F"] | None) -> Array:
        """All samples of the frames; ``there`` says which frames there are, None that all are."""

        def cut(hidden: Float[Array, "C F"]) -> Float[Array, "C F"]:
            return hidden if there is None else jnp.where(there, hidden, 0.0)

        both = jnp.concatenate([frames, _moved(frames, 1)])
        hidden = cut(jax.nn.silu(self.weight_in.T @ both + (self.weight_level * level + self.bias_in)[:, None]))
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            around = jnp.concatenate([_moved(hidden, -(2**layer)), hidden, _moved(hidden, 2**layer)])
            hidden = cut(hidden + jax.nn.silu(weight.T @ around + bias[:, None]))
        both = jnp.concatenate([hidden, _moved(hidden, -1)])
        return (self.weight_out.T @ both).T.reshape(-1) + self.bias_out


def _moved(columns: Float[Array, "C F"], by: int) -> Float[Array, "C F"]:
    """Column i + ``by`` in column i, zero where there is none."""
    n_columns, ahead, behind = columns.shape[1], max(by, 0), max(-by, 0)
    return jnp.pad(columns, ((0, 0), (behind, ahead)))[:, ahead : ahead + n_columns]
