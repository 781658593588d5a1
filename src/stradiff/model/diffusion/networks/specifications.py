"""The noise-prediction networks as a user asks for them."""

from __future__ import annotations

import abc
from typing import ClassVar

from jaxtyping import PRNGKeyArray

from stradiff.model.diffusion.networks.base import Network
from stradiff.model.diffusion.networks.convolutional import ConvolutionalNetwork, ReceptiveField
from stradiff.model.diffusion.networks.dense import DenseNetwork
from stradiff.model.specification import Registry, Specification
from stradiff.parameters import count, parameter

FRAME_VALUES = 60.0  # numbers per sample of the channels of all layers, at eight samples a frame


class NetworkSpec(Specification):
    """A network before it is built."""

    sees_whole: ClassVar[bool]
    """Whether it sees a whole trajectory of a fixed length, and not segments of any."""

    @abc.abstractmethod
    def build(self, n_samples: int, reach: ReceptiveField | None, output_scale: float, key: PRNGKeyArray) -> Network:
        """The network of one source at random initial values.

        ``reach``: how far a source's correlations do, None where the network sees the whole; ``output_scale``: factor
        on the last layer.
        """

    @abc.abstractmethod
    def n_parameters(self, n_samples: int) -> float:
        """Parameters of one network, for the memory estimate."""

    @abc.abstractmethod
    def n_hidden(self, n_samples: float) -> float:
        """Hidden values of one source held for a step of the reverse path, for the memory estimate."""


class Dense(NetworkSpec):
    """Fully connected, on the whole trajectory: the paper's.

    Parameters
    ----------
    width, depth : hidden units of a layer, and layers.
    """

    name = "dense"
    label = "a fully connected network"
    sees_whole = True

    width: int = parameter(64, count(1), "well below T, so that it must find structure; an epoch is half that of 128")
    depth: int = parameter(2, count(1, 100), "the smallest that can depend on the noise level nonlinearly")

    def build(
        self, n_samples: int, reach: ReceptiveField | None, output_scale: float, key: PRNGKeyArray
    ) -> DenseNetwork:
        """Its first and last layer are as wide as the trajectory is long."""
        return DenseNetwork(n_samples, self.width, self.depth, output_scale=output_scale, key=key)

    def n_parameters(self, n_samples: int) -> float:
        """The two outer layers are nearly all of it."""
        return 2.0 * n_samples * (self.width + 1.0) + self.depth * self.width**2

    def n_hidden(self, n_samples: float) -> float:
        """Few beside its parameters."""
        return 0.0


class Convolutional(NetworkSpec):
    """Dilated convolutions that see a few length-scales, and do not grow with the recording.

    Parameters
    ----------
    channels : of every layer.
    """

    name = "convolutional"
    label = "a convolutional network"
    sees_whole = False

    channels: int = parameter(
        16, count(1, 1024), "a quarter of a dense layer: a convolution has its channels at every frame"
    )

    def build(
        self, n_samples: int, reach: ReceptiveField | None, output_scale: float, key: PRNGKeyArray
    ) -> ConvolutionalNetwork:
        """As many layers as its reach asks for."""
        assert reach is not None
        return ConvolutionalNetwork(reach, self.channels, output_scale=output_scale, key=key)

    def n_parameters(self, n_samples: int) -> float:
        """Few."""
        return 0.0

    def n_hidden(self, n_samples: float) -> float:
        """Frames are computed again, step by step, and held for one step."""
        return FRAME_VALUES * n_samples


NETWORKS: Registry[NetworkSpec] = Registry("network", NetworkSpec, [Dense(), Convolutional()])  # type: ignore[type-abstract]
