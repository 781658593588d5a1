"""The networks that predict noise (Eq. 12), and how they are asked for."""

from stradiff.model.diffusion.networks.base import Network
from stradiff.model.diffusion.networks.convolutional import ConvolutionalNetwork, ReceptiveField
from stradiff.model.diffusion.networks.dense import DenseNetwork
from stradiff.model.diffusion.networks.ending import MaskedConvolutionalNetwork
from stradiff.model.diffusion.networks.specifications import NETWORKS, Convolutional, Dense, NetworkSpec

__all__ = [
    "NETWORKS",
    "Convolutional",
    "ConvolutionalNetwork",
    "Dense",
    "DenseNetwork",
    "Ending",
    "Network",
    "NetworkSpec",
    "Reach",
]
