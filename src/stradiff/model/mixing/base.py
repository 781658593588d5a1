"""g_phi: from sources to the recording (Eqs. 5, 22), as numbers that are learned and as what the user asks for."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray

from stradiff.model.specification import Specification


class Mixing(eqx.Module):
    """A map R^n -> R^m, applied at every instant."""

    is_linear: ClassVar[bool] = False
    """Whether g(s) = A s, A its ``matrix``."""
    is_channelwise: ClassVar[bool] = False
    """Whether its nonlinearity is one of every channel alone, ``curves`` after the matrix: channels may be scaled
    before it, but not mixed, as whitening does."""

    matrix: eqx.AbstractVar[Any]
    """Its linear part ``(m, n)``, initially the least-squares fit of the initial sources; None where it has none."""

    @abc.abstractmethod
    def __call__(self, sources: Float[Array, " n"]) -> Float[Array, " m"]:
        """The normalised observation that these sources make at one instant."""

    def inverse(self, observed: Float[Array, " m"]) -> Float[Array, " n"] | None:
        """The sources of one observation where the map has an inverse that can be written down; None elsewhere."""
        return None

    def normalised(self) -> Mixing:
        """The same map in the form it is kept in after every step (Algorithm 1, lines 20-22)."""
        return self

    def curves(self, level: Float[Array, " m"]) -> Float[Array, " m"]:
        """What every channel makes of its level of the linear part: the level itself, unless the map is channelwise."""
        return level


class MixingSpec(Specification):
    """A map before it is built; a subclass adds its options as fields, with defaults.

    ``name`` and ``label`` ("a linear map") are class attributes of a subclass.
    """

    module: ClassVar[type[Mixing]]
    """Class of the map that ``build`` makes."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """What preset "default" sets otherwise with this map, as nested parameters ("objective__nu_y")."""

    @property
    def is_linear(self) -> bool:
        """See ``Mixing.is_linear``."""
        return self.module.is_linear

    @property
    def is_channelwise(self) -> bool:
        """See ``Mixing.is_channelwise``."""
        return self.module.is_channelwise

    @abc.abstractmethod
    def build(self, n_sources: int, n_channels: int, *, unit_columns: bool, key: PRNGKeyArray) -> Mixing:
        """The map at its random initial values.

        ``unit_columns``: the scale of a source is its own, so a linear map keeps its columns at norm one.
        """

    def n_parameters(self, n_channels: int) -> int:
        """Parameters beside the matrix, for the memory estimate."""
        return 0

    def n_hidden(self, n_channels: int) -> int:
        """Values computed at every sample on the way to the channels, for the memory estimate."""
        return 0
