"""The map from sources to the recording (Eqs. 5, 22)."""

from stradiff.model.mixing.base import Mixing
from stradiff.model.mixing.linear import Linear
from stradiff.model.mixing.mlp import MLP

__all__ = ["MLP", "Linear", "Mixing"]
