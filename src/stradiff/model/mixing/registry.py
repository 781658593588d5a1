"""Mixing maps by name, and how others are added."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from jaxtyping import PRNGKeyArray

from stradiff.errors import OptionError, shortened
from stradiff.model.mixing.base import Mixing
from stradiff.model.mixing.invertible import Invertible
from stradiff.model.mixing.linear import Linear
from stradiff.model.mixing.mlp import MLP
from stradiff.model.mixing.post_nonlinear import PostNonlinear
from stradiff.model.names import check_entry


@dataclasses.dataclass(frozen=True)
class MixingSettings:
    """What the maker of a map is told.

    Parameters
    ----------
    n_sources, n_channels : n and m.
    width, depth : hidden units of a layer of a network, and layers of it.
    knots : bends of a post-nonlinear curve.
    linear_path : whether a matrix stands beside the network.
    output_scale : of the last layer at the start.
    unit_columns : whether columns of a matrix are of norm one: where the scale of a source is its own.
    """

    n_sources: int
    n_channels: int
    width: int = 32
    depth: int = 2
    knots: int = 8
    linear_path: bool = False
    output_scale: float = 1.0
    unit_columns: bool = True


Factory = Callable[[MixingSettings, PRNGKeyArray], Mixing]


def _linear(told: MixingSettings, key: PRNGKeyArray) -> Mixing:
    return Linear(told.n_sources, told.n_channels, unit_columns=told.unit_columns, key=key)


def _post_nonlinear(told: MixingSettings, key: PRNGKeyArray) -> Mixing:
    return PostNonlinear(told.n_sources, told.n_channels, told.knots, key=key)


def _invertible(told: MixingSettings, key: PRNGKeyArray) -> Mixing:
    shape = told.n_sources, told.n_channels, told.width, told.depth
    return Invertible(*shape, output_scale=told.output_scale, key=key)


def _mlp(told: MixingSettings, key: PRNGKeyArray) -> Mixing:
    shape = told.n_sources, told.n_channels, told.width, told.depth
    return MLP(*shape, linear_path=told.linear_path, output_scale=told.output_scale, key=key)


def _residual(told: MixingSettings, key: PRNGKeyArray) -> Mixing:
    return _mlp(dataclasses.replace(told, linear_path=True), key)


MAPS: dict[str, Factory] = {
    "linear": _linear,
    "mlp": _mlp,
    "residual": _residual,
    "post_nonlinear": _post_nonlinear,
    "invertible": _invertible,
}


def register_mixing(name: str, factory: Factory) -> None:
    """Make a mixing map known by ``name``, so that ``StrADiff(mixing=name)`` uses it.

    Parameters
    ----------
    name : letters, digits and underscores; an earlier map of that name is replaced.
    factory : called with a ``MixingSettings`` and a key of JAX, gives a ``Mixing``.

    Raises
    ------
    OptionError
        For a name that is none, or a factory that cannot be called.

    Examples
    --------
    A map with a matrix in the attribute ``matrix`` starts at the least-squares fit of the warm start's sources.

    >>> from stradiff.model.mixing import Linear, register_mixing
    >>> register_mixing("plain", lambda told, key: Linear(told.n_sources, told.n_channels, key=key))
    >>> from stradiff import StrADiff
    >>> StrADiff(3, mixing="plain").mixing
    'plain'
    """
    check_entry("map", name, factory, "MixingSettings and key")
    MAPS[name] = factory


def make_mixing(name: str, told: MixingSettings, key: PRNGKeyArray) -> Mixing:
    """The map of that name, at random."""
    if name not in MAPS:
        raise OptionError(f"mixing={name!r} does not exist; choose one of {', '.join(MAPS)}.")
    return MAPS[name](told, key)
