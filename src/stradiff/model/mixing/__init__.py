"""The map from sources to the recording (Eqs. 5, 22)."""

from stradiff.model.mixing.base import Mixing
from stradiff.model.mixing.invertible import Invertible
from stradiff.model.mixing.linear import Linear
from stradiff.model.mixing.mlp import MLP
from stradiff.model.mixing.post_nonlinear import PostNonlinear
from stradiff.model.mixing.registry import MAPS, MixingSettings, make_mixing, register_mixing

__all__ = [
    "MAPS",
    "MLP",
    "Invertible",
    "Linear",
    "Mixing",
    "MixingSettings",
    "PostNonlinear",
    "make_mixing",
    "register_mixing",
]
