"""Lengths of sequences: the number of valid steps of each example, of which all have the same number of steps."""

from __future__ import annotations

from collections.abc import Mapping
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


def steps_that_count(split: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Returns which steps of the targets of a split count, (examples, time) bool; None: all, or they have no steps.

    Those are the first ones: as many as ``target_lengths`` says, where the targets have lengths of their own, and
    otherwise as many as ``lengths``, where targets have a step for each of the inputs.
    """
    targets = split["targets"]
    if targets.ndim < 2:
        return None
    if "target_lengths" in split:
        lengths = split["target_lengths"]
    elif "lengths" in split and targets.shape[1] == split["inputs"].shape[1]:
        lengths = split["lengths"]
    else:
        return None
    counts: np.ndarray = np.arange(targets.shape[1]) < lengths[:, None]
    return counts
