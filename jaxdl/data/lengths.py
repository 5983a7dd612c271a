"""Lengths of sequences: the number of valid steps of each example, of which all have the same number of steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxdl.errors import UserError


def checked_lengths(lengths: Any, count: int, steps: int, name: str) -> np.ndarray:
    """Returns lengths as they enter a compiled step, after they are checked.

    They are checked here, on the host: a compiled step can refuse nothing and takes a length above `steps` for `steps`.

    Args:
        lengths: (examples,) integers, the number of valid steps of each example, which come first.
        count: the number of examples.
        steps: the number of steps of every example, with padding.
        name: what the lengths are called in messages.

    Returns:
        (examples,) int32.

    Raises:
        UserError: they are no integers, not one for each example, below 0 or above `steps`.
    """
    array = np.asarray(lengths)
    if array.size and array.dtype.kind not in "iu":
        raise UserError(f"{name} is {array.dtype} of shape {array.shape}; give an integer for each example.")
    if array.shape != (count,):
        raise UserError(f"{name} has shape {array.shape}; give one for each of the {count} examples.")
    wrong = np.flatnonzero((array < 0) | (array > steps))
    if len(wrong):
        raise UserError(
            f"{name}[{wrong[0]}] is {array[wrong[0]]}; a length is the number of valid steps, from 0 to {steps}."
        )
    return array.astype(np.int32)
