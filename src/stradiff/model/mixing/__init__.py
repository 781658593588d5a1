"""The map from sources to the recording (Eqs. 5, 22)."""

from stradiff.model.mixing.base import Mixing, MixingSpec
from stradiff.model.mixing.invertible import Invertible, InvertibleMap
from stradiff.model.mixing.linear import Linear, LinearMap
from stradiff.model.mixing.mlp import MLP, MLPMap, Residual
from stradiff.model.mixing.post_nonlinear import PostNonlinear, PostNonlinearMap
from stradiff.model.mixing.registry import MAPS, mixing_spec, register_mixing

__all__ = [
    "MAPS",
    "MLP",
    "Invertible",
    "InvertibleMap",
    "Linear",
    "LinearMap",
    "MLPMap",
    "Mixing",
    "MixingSpec",
    "PostNonlinear",
    "PostNonlinearMap",
    "Residual",
    "mixing_spec",
    "register_mixing",
]
