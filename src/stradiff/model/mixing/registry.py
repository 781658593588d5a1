"""Mixing maps by name, and how others are added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stradiff.model.mixing.base import MixingSpec
from stradiff.model.mixing.invertible import Invertible
from stradiff.model.mixing.linear import Linear
from stradiff.model.mixing.mlp import MLP, Residual
from stradiff.model.mixing.post_nonlinear import PostNonlinear
from stradiff.model.specification import Registry

MAPS: Registry[MixingSpec] = Registry(
    "mixing",
    MixingSpec,  # type: ignore[type-abstract]
    [Linear(), MLP(), Residual(), PostNonlinear(), Invertible()],
)


def register_mixing(specification: MixingSpec) -> None:
    """Make a mixing map known, so that its name, and any other instance of its class, is a value of ``mixing``.

    Parameters
    ----------
    specification : what the name stands for; an earlier map of that name is replaced.

    Raises
    ------
    OptionError
        For what is no ``MixingSpec``, or has a name that is none.

    Examples
    --------
    >>> from stradiff import StrADiff, register_mixing
    >>> from stradiff.model.mixing import LinearMap, MixingSpec
    >>> class Plain(MixingSpec):
    ...     name = "plain"
    ...     label = "a plain matrix"
    ...     module = LinearMap
    ...     def build(self, n_sources, n_channels, *, unit_columns, key):
    ...         return LinearMap(n_sources, n_channels, unit_columns=False, key=key)
    >>> register_mixing(Plain())
    >>> StrADiff(3, mixing="plain").mixing
    'plain'
    """
    MAPS.register(specification)


def mixing_spec(given: str | Mapping[str, Any] | MixingSpec, *also: str) -> MixingSpec:
    """The map that is asked for; see ``Registry.specified``."""
    return MAPS.specified(given, *also)
