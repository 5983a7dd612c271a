"""Arrays that JAX's CPU backend takes over without a copy, and all splits of a set in one of them.

A set that takes half of the memory can then be trained on: it is there once as it was decoded, and once cut into its
splits, which is what the programs read. Fresh memory is also dear: on virtual machines its first use took as long as
decoding small JPEGs into it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

_ALIGNMENT = 64  # bytes; JAX copies arrays that begin elsewhere


def empty(shape: tuple[int, ...], dtype: np.dtype | type | str) -> np.ndarray:
    """Returns an array like `numpy.empty` that begins where JAX need not copy it."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    raw = np.empty(size + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)


def gathered(parts: Sequence[tuple[np.ndarray, np.ndarray | None]]) -> list[np.ndarray]:
    """Returns rows of several arrays as read-only parts of one new array, in which they follow one another.

    Args:
        parts: arrays (examples, ...) with examples of one shape, and the rows to take; None: all.
    """
    counts = [len(array) if rows is None else len(rows) for array, rows in parts]
    ends = np.cumsum([0, *counts]).tolist()
    shape, dtype = parts[0][0].shape[1:], np.result_type(*(array for array, _ in parts))
    whole = empty((ends[-1], *shape), dtype)
    for (array, rows), start, stop in zip(parts, ends[:-1], ends[1:], strict=True):
        if rows is None or array.dtype != dtype:
            whole[start:stop] = array if rows is None else array[rows]
        else:
            np.take(array, rows, axis=0, out=whole[start:stop], mode="clip")  # the default would copy once more
    whole.flags.writeable = False
    return [whole[start:stop] for start, stop in itertools.pairwise(ends)]


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Returns arrays one after another; without a copy where they are read-only parts of one that lie like this.

    A copy is made of arrays that may be written to: what JAX takes over must not change.
    """
    parts = [part for part in parts if part.size] or parts[:1]  # NumPy does not say where an empty part lies
    first, end = parts[0], parts[0].ctypes.data
    for part in parts:
        if part.flags.writeable or not part.flags.c_contiguous or part.base is None or part.base is not first.base:
            return np.concatenate(parts)
        if part.ctypes.data != end or part.dtype != first.dtype or part.shape[1:] != first.shape[1:]:
            return np.concatenate(parts)
        end += part.nbytes
    count = sum(len(part) for part in parts)
    return np.lib.stride_tricks.as_strided(first, (count, *first.shape[1:]), writeable=False)
