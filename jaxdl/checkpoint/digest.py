"""A digest of a pytree of arrays, equal only if all bits are equal."""

from __future__ import annotations

import hashlib
from typing import Any

import jax
import numpy as np

from jaxdl.backend.keys import without_keys
from jaxdl.backend.mesh import whole


def params_sha256(params: Any) -> str:
    """Returns the SHA-256 hex digest of a pytree of arrays, equal only if all bits are equal.

    The leaves are taken in the order of their paths, compared as text; a path is the keys joined by ``/``. Each leaf
    contributes ``path NUL dtype NUL shape NUL`` in UTF-8 (the dtype's name such as ``float32``, the shape's sizes
    joined by commas, empty for a scalar) and then its elements, in row-major order, little-endian. Typed PRNG keys
    count as their uint32 words.
    """
    digest = hashlib.sha256()
    for path, leaf in sorted(named_leaves(params).items()):
        array = whole(without_keys(leaf))
        shape = ",".join(map(str, array.shape))
        digest.update(f"{path}\0{array.dtype.name}\0{shape}\0".encode())
        digest.update(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).tobytes())
    return digest.hexdigest()


def named_leaves(tree: Any) -> dict[str, Any]:
    """Returns the leaves of a pytree by their paths, the keys joined by ``/``."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}
