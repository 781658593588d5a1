"""Work on the sources of one model, dealt out among devices.

Where a mesh of devices is in force (``jax.set_mesh``) that has an axis of sources, each device computes its own rows of
what is stacked over sources. Left to itself XLA's partitioner gathers the sources before a loop over them, as that of
the priors, and every device goes through all of it; inside a ``shard_map`` the loop is over a device's own sources.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
from jax.sharding import PartitionSpec
from jaxtyping import Array, PyTree

SOURCES = "sources"  # the mesh axis
Result = TypeVar("Result")


def n_source_shards() -> int:
    """Devices that share the sources; 1 where no such mesh is in force."""
    return int(dict(jax.sharding.get_abstract_mesh().shape).get(SOURCES, 1))


def shard_by_source(function: Callable[..., Result], common: PyTree, *rows: PyTree) -> Result:
    """``function(common, *rows)``, which must treat every row by itself and return rows.

    Each device has its share of ``rows``, arrays with a leading axis of sources, and the whole of ``common``. What does
    not divide evenly (the priors of one family among several) is computed on every device.
    """
    n_rows, n = jax.tree.leaves(rows)[0].shape[0], n_source_shards()
    if n == 1 or n_rows % n:
        return function(common, *rows)
    own, whole = PartitionSpec(SOURCES), PartitionSpec()
    split = jax.shard_map(function, in_specs=(whole, *[own] * len(rows)), out_specs=own, check_vma=False)
    result: Result = split(common, *rows)
    return result


def replicate(array: Array) -> Array:
    """The same array, whole on every device that shares the sources."""
    if n_source_shards() == 1:
        return array
    whole: Any = jax.lax.with_sharding_constraint(array, PartitionSpec())
    return whole
