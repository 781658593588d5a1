"""The networks that predict noise (Eq. 12)."""

from stradiff.model.networks.base import Network
from stradiff.model.networks.convolutional import Convolutional, Reach
from stradiff.model.networks.dense import Dense

__all__ = ["Convolutional", "Dense", "Network", "Reach"]
