"""The networks that predict noise (Eq. 12)."""

from stradiff.model.networks.base import Network
from stradiff.model.networks.convolutional import Convolutional, Reach
from stradiff.model.networks.dense import Dense
from stradiff.model.networks.ending import Ending

__all__ = ["Convolutional", "Dense", "Ending", "Network", "Reach"]
