"""A network of a size independent of the recording: strided and dilated convolutions (van den Oord et al. 2016)."""

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

STRIDES = (8, 64)  # limits: below, frames save no computation; above, they lose temporal resolution
LAYERS = (1, 6)  # limits; layers have dilations 1, 2, 4, .., so that the most cover 2 x 63 frames and two more
LENGTH_SCALES_EACH_SIDE = 2  # in the receptive field: beyond, the autocorrelation of an RBF source is negligible


class ReceptiveField(NamedTuple):
    """Receptive field of a network: samples per frame, and layers of doubling dilation."""

    stride: int
    n_layers: int

    @classmethod
    def of(cls, length_scales: np.ndarray) -> ReceptiveField:
        """For sources of these length-scales, in samples: frames below the shortest, a field beyond the longest."""
        stride = 2 ** round(math.log2(max(float(np.min(length_scales)) / 2.0, 1.0)))
        stride = int(np.clip(stride, *STRIDES))
        n_frames = LENGTH_SCALES_EACH_SIDE * float(np.max(length_scales)) / stride
        return cls(stride, int(np.clip(math.ceil(math.log2(n_frames + 1.0)), *LAYERS)))

    @property
    def samples(self) -> int:
        """Samples to each side on which a sample of the output depends."""
        return self.stride * (2**self.n_layers + 1)


class ConvolutionalNetwork(Network):
    """Frames of ``stride`` samples -> channels per frame -> residual dilated convolutions -> samples.

    Every frame is encoded together with the next one, and decoded together with the previous one, so that frames join
    smoothly. Beyond its ends a trajectory is padded with zeros.

    Parameters
    ----------
    reach : receptive field: samples per frame, and number of dilated layers.
    width : channels per frame.
    output_scale : factor on the initial last layer; 0 initialises the branch as the identity up to a scale.
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
        n_inputs = 2 * reach.stride + 1  # two frames, and the level
        weight = uniform(first, (width, n_inputs)).T
        self.weight_in, self.weight_level = weight[:-1], weight[-1]
        self.bias_in = jnp.zeros(width, jnp.float32)
        self.weights = [uniform(k, (width, 3 * width)).T for k in jax.random.split(middle, reach.n_layers)]
        self.biases = [jnp.zeros(width, jnp.float32) for _ in range(reach.n_layers)]
        self.weight_out = output_scale * uniform(last, (reach.stride, 2 * width)).T
        self.bias_out = jnp.zeros((), jnp.float32)
        self.stride = reach.stride

    def __call__(self, trajectory: Float[Array, " T"], level: Float[Array, ""]) -> Float[Array, " T"]:
        """eps_theta(x, tau / L)."""
        return self._output(self._frames(trajectory), level, None)[: trajectory.shape[0]]

    def masked(
        self, trajectory: Float[Array, " T"], level: Float[Array, ""], mask: Bool[Array, " T"]
    ) -> Float[Array, " T"]:
        """eps_theta of the trajectory truncated to the leading ``mask``; zero beyond."""
        frame_mask = jnp.any(self._frames(mask), axis=0, keepdims=True)
        frames = self._frames(jnp.where(mask, trajectory, 0.0))
        return jnp.where(mask, self._output(frames, level, frame_mask)[: trajectory.shape[0]], 0.0)

    def _frames(self, trajectory: Float[Array, " T"] | Bool[Array, " T"]) -> Array:
        """Frames in columns, ``(stride, F)``, so that elementwise operations run along time."""
        return jnp.pad(trajectory, (0, -trajectory.shape[0] % self.stride)).reshape(-1, self.stride).T

    def _output(self, frames: Float[Array, "stride F"], level: Array, mask: Bool[Array, "1 F"] | None) -> Array:
        """All samples of the frames within ``mask``; None: of all frames."""

        def masked(hidden: Float[Array, "C F"]) -> Float[Array, "C F"]:
            return hidden if mask is None else jnp.where(mask, hidden, 0.0)

        pairs = jnp.concatenate([frames, _shifted(frames, 1)])
        hidden = masked(jax.nn.silu(self.weight_in.T @ pairs + (self.weight_level * level + self.bias_in)[:, None]))
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            triples = jnp.concatenate([_shifted(hidden, -(2**layer)), hidden, _shifted(hidden, 2**layer)])
            hidden = masked(hidden + jax.nn.silu(weight.T @ triples + bias[:, None]))
        pairs = jnp.concatenate([hidden, _shifted(hidden, -1)])
        return (self.weight_out.T @ pairs).T.reshape(-1) + self.bias_out


class MaskedConvolutionalNetwork(Network):
    """A convolutional network on trajectories truncated to a leading ``mask``, in arrays of full length."""

    network: ConvolutionalNetwork
    mask: Bool[Array, " T"]

    def __call__(self, trajectory: Float[Array, " T"], level: Float[Array, ""]) -> Float[Array, " T"]:
        """eps_theta(x, tau / L) within the mask, zero beyond."""
        return self.network.masked(trajectory, level, self.mask)


def _shifted(columns: Float[Array, "C F"], by: int) -> Float[Array, "C F"]:
    """Column i + ``by`` in column i, zero where there is none."""
    n_columns, ahead, behind = columns.shape[1], max(by, 0), max(-by, 0)
    return jnp.pad(columns, ((0, 0), (behind, ahead)))[:, ahead : ahead + n_columns]
