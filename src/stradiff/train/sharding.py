"""One fit on several devices: which arrays are on which.

An epoch that sees the whole record is sharded by sources (``stradiff.model.source_sharding``): every device has the
starts, networks and priors of its share, with Adam's averages of them; the mixing is on all. In training by segments
every device has the whole model and sees a segment of its own (``train.minibatch_step``).
"""

from __future__ import annotations

import dataclasses
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from stradiff.errors import OptionError
from stradiff.model.devices import available_devices
from stradiff.model.model import Model
from stradiff.model.source_sharding import SOURCES
from stradiff.train.minibatch_step import SEGMENTS, State
from stradiff.train.step import TrainState

Tree = TypeVar("Tree")


def devices_for(asked: int | str) -> list[jax.Device]:
    """The devices that ``n_devices`` asks for; :class:`OptionError` for more than there are."""
    devices = available_devices()
    if asked == "all":
        return devices
    if int(asked) > len(devices):
        raise OptionError(
            f"n_devices={asked} is more than there are: {len(devices)} of platform {devices[0].platform}; use "
            "n_devices='all' for all of them."
        )
    return devices[: int(asked)]


@dataclasses.dataclass(frozen=True)
class Sharding:
    """The devices that share a fit, as a mesh of one axis; None where there is one device."""

    mesh: Mesh | None = None

    @classmethod
    def of_sources(cls, devices: list[jax.Device], n_sources: int) -> Sharding:
        """By sources, evenly: on the largest number of devices that divides theirs."""
        n = max(k for k in range(1, len(devices) + 1) if n_sources % k == 0)
        return cls(_mesh(devices[:n], SOURCES))

    @classmethod
    def of_segments(cls, devices: list[jax.Device], at_once: int) -> Sharding:
        """By segments, of which ``at_once`` are seen in an epoch."""
        return cls(_mesh(devices[:at_once], SEGMENTS))

    @property
    def n_devices(self) -> int:
        """Of the mesh; 1 without one."""
        return 1 if self.mesh is None else self.mesh.size

    def in_force(self) -> AbstractContextManager[Any]:
        """Computations inside are sharded."""
        return nullcontext() if self.mesh is None else jax.set_mesh(self.mesh)

    def placed(self, state: State) -> State:
        """The state with every array on its own device or devices."""
        if self.mesh is None:
            return state
        whole = NamedSharding(self.mesh, PartitionSpec())
        if not isinstance(state, TrainState):
            return jax.device_put(state, whole)
        model = self._of_model(state.model)
        moments = optax.ScaleByAdamState(whole, model, model)  # type: ignore[arg-type]
        return jax.device_put(state, TrainState(model, moments, whole, whole))  # type: ignore[arg-type]

    def on_all(self, tree: Tree) -> Tree:
        """The arrays whole on every device."""
        return tree if self.mesh is None else jax.device_put(tree, NamedSharding(self.mesh, PartitionSpec()))

    def collected(self, model: Model) -> Model:
        """The model whole on one device."""
        return model if self.mesh is None else jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)), model)

    def _of_model(self, model: Model) -> Model:
        """The sharding of every array of the model, as a model of shardings."""
        assert self.mesh is not None
        size = self.mesh.size
        whole, own = (NamedSharding(self.mesh, spec) for spec in (PartitionSpec(), PartitionSpec(SOURCES)))

        def rows(part: Any) -> Any:
            return jax.tree.map(lambda leaf: whole if leaf.shape[0] % size else own, part)

        everywhere = jax.tree.map(lambda _: whole, model)
        start, network, groups = model.branches.start, model.branches.network, model.priors.groups
        network = everywhere.branches.network if model.branches.shared else rows(network)
        return eqx.tree_at(
            lambda m: (m.branches.start, m.branches.network, m.priors.groups),
            everywhere,
            (rows(start), network, tuple(rows(group) for group in groups)),
            is_leaf=lambda x: x is None,
        )


def _mesh(devices: list[jax.Device], axis: str) -> Mesh | None:
    if len(devices) < 2:
        return None
    return Mesh(np.asarray(devices), (axis,), axis_types=(AxisType.Auto,))
