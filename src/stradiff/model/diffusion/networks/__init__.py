"""The networks that predict noise (Eq. 12)."""

from stradiff.model.diffusion.networks.base import Network
from stradiff.model.diffusion.networks.convolutional import Convolutional, Reach
from stradiff.model.diffusion.networks.dense import Dense
from stradiff.model.diffusion.networks.ending import Ending

__all__ = ["Convolutional", "Dense", "Ending", "Network", "Reach"]
