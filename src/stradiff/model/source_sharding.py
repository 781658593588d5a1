"""Computations on the sources of one model, sharded over devices.

In a mesh (``jax.set_mesh``) with an axis of sources, each device computes its own rows of arrays stacked over sources.
XLA's partitioner alone would gather all sources before a loop over them, such as that of the priors; within a
``shard_map`` each device loops over its own.
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
    """Number of devices among which the sources are sharded; 1 without such a mesh."""
    return int(dict(jax.sharding.get_abstract_mesh().shape).get(SOURCES, 1))


def shard_by_source(function: Callable[..., Result], common: PyTree, *rows: PyTree) -> Result:
    """``function(common, *rows)`` of a function that maps rows to rows independently.

    Each device has its shard of ``rows``, arrays with a leading axis of sources, and all of ``common``. Rows that do
    not divide evenly (the priors of one family among several) are computed on every device.
    """
    n_rows, n_shards = jax.tree.leaves(rows)[0].shape[0], n_source_shards()
    if n_shards == 1 or n_rows % n_shards:
        return function(common, *rows)
    sharded, replicated = PartitionSpec(SOURCES), PartitionSpec()
    in_specs = (replicated, *[sharded] * len(rows))
    result: Result = jax.shard_map(function, in_specs=in_specs, out_specs=sharded, check_vma=False)(common, *rows)
    return result


def replicate(array: Array) -> Array:
    """The array replicated on every device among which the sources are sharded."""
    if n_source_shards() == 1:
        return array
    replicated: Any = jax.lax.with_sharding_constraint(array, PartitionSpec())
    return replicated
