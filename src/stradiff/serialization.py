"""A pytree of arrays on disk: one safetensors file whose header holds JSON. Reading runs no code.

Arrays are named by their path in the tree. A reader supplies the structure, and a file whose kind, digest, names,
shapes or types are not the expected ones is refused.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialise

from stradiff.errors import StorageError
from stradiff.files import atomic_path, remove_orphans

Tree = TypeVar("Tree")
Arrays = dict[str, np.ndarray]

ON_THE_WAY = ("['history']", "['paths']")  # what training passed through may have left the range of numbers


def arrays_of(tree: Any) -> Arrays:
    """Every array of a tree by its place; random keys as their numbers."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): np.asarray(_numbers(leaf), order="C") for path, leaf in leaves}


def filled(like: Tree, arrays: Arrays) -> Tree:
    """``like``, a tree of arrays or of their shapes, with every leaf from ``arrays``.

    Raises
    ------
    StorageError
        Where a name is missing or unknown, or an array has another shape or type.
    """
    leaves = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(like)}
    if wrong := arrays.keys() ^ leaves.keys():
        raise StorageError(f"{min(wrong)} is missing or unknown")
    return jax.tree.unflatten(
        jax.tree.structure(like), [_leaf(name, arrays[name], one) for name, one in leaves.items()]
    )


def write(path: Path, kind: str, header: dict[str, Any], arrays: Arrays) -> None:
    """Write a file of some ``kind``, whole or not at all.

    Raises
    ------
    StorageError
        For a place that cannot be written.
    """
    remove_orphans(path.parent)
    header = json.loads(json.dumps({"kind": kind, **header}, default=_plain))  # as it will be read
    header["digest"] = _digest(header, arrays)
    with atomic_path(path) as temporary:
        # As bytes: safetensors' own file writing makes files that only their owner may read.
        temporary.write_bytes(serialise(arrays, metadata={"stradiff": json.dumps(header)}))


def read(path: Path, kind: str, expected: str) -> tuple[dict[str, Any], Arrays]:
    """Header and arrays of a file that ``write`` made.

    Raises
    ------
    StorageError
        For a file that is missing, damaged, or of another kind; ``expected`` is such as "a saved fit".
    """
    if not path.is_file():
        raise StorageError(f"{path} does not exist or is not a file; give {expected}.")
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get("stradiff", "null")
            header = json.loads(text)
            if json.dumps(header, allow_nan=False) != text:  # as it was written: no key twice, no number that is none
                raise ValueError(text)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no iteration over it)
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise StorageError(f"{path} is not {expected}, or it is damaged.") from error
    if not isinstance(header, dict) or header.get("kind") != kind:
        raise StorageError(f"{path} is not {expected} that this version reads ({kind}).")
    if header.pop("digest", None) != _digest(header, arrays):
        raise StorageError(f"{path} is damaged: its content is not what was written.")
    return header, arrays


def not_finite(arrays: Arrays) -> str | None:
    """Name of an array that does not hold finite numbers, though a result or a state of training does."""
    for name, array in arrays.items():
        passed = name.startswith(ON_THE_WAY) or array.dtype.kind == "b"
        if array.dtype.kind not in "fiub" or not (passed or np.isfinite(array).all()):
            return name
    return None


def _digest(header: dict[str, Any], arrays: Arrays) -> str:
    """SHA-256 of everything in the file: a flipped bit must not pass."""
    total = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        total.update(f"{name}{array.dtype}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def _leaf(name: str, array: np.ndarray, like: Any) -> Any:
    expected = jax.eval_shape(jax.random.key_data, like) if _is_key(like) else like
    if array.shape != tuple(expected.shape) or array.dtype != np.dtype(expected.dtype):
        raise StorageError(
            f"{name} is {array.dtype}{array.shape} and not {np.dtype(expected.dtype)}{tuple(expected.shape)}"
        )
    if _is_key(like):
        return jax.random.wrap_key_data(jnp.asarray(array), impl=jax.random.key_impl(like))
    return array if isinstance(like, np.ndarray) else jnp.asarray(array)


def _numbers(leaf: Any) -> Any:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | jax.ShapeDtypeStruct) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _plain(value: object) -> object:
    """NumPy's scalars and arrays as JSON's numbers and lists."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written")
