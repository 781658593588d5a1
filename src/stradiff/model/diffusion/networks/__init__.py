"""Noise-prediction networks (Eq. 12) and their specifications."""

from stradiff.model.diffusion.networks.base import Network
from stradiff.model.diffusion.networks.convolutional import (
    ConvolutionalNetwork,
    MaskedConvolutionalNetwork,
    ReceptiveField,
)
from stradiff.model.diffusion.networks.dense import DenseNetwork
from stradiff.model.diffusion.networks.specifications import NETWORKS, Convolutional, Dense, NetworkSpec

__all__ = [
    "NETWORKS",
    "Convolutional",
    "ConvolutionalNetwork",
    "Dense",
    "DenseNetwork",
    "MaskedConvolutionalNetwork",
    "Network",
    "NetworkSpec",
    "ReceptiveField",
]
