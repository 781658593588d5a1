"""The map from sources to the recording (Eqs. 5, 22)."""

from stradiff.model.mixing.base import Mixing
from stradiff.model.mixing.invertible import Invertible
from stradiff.model.mixing.linear import Linear
from stradiff.model.mixing.mlp import MLP
from stradiff.model.mixing.post_nonlinear import PostNonlinear

__all__ = ["MLP", "Invertible", "Linear", "Mixing", "PostNonlinear"]
