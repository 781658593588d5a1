"""Noise-prediction networks (Eq. 12)."""

from stradiff.model.diffusion.networks.base import Network
from stradiff.model.diffusion.networks.convolutional import Convolutional, MaskedConvolutional, ReceptiveField
from stradiff.model.diffusion.networks.dense import Dense

__all__ = ["Convolutional", "Dense", "MaskedConvolutional", "Network", "ReceptiveField"]
