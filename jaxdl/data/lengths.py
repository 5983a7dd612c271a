"""Lengths of sequences: the number of valid steps of each example, of which all have the same number of steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxdl.data.stream import is_streamed
from jaxdl.errors import UserError

if TYPE_CHECKING:
    from jaxdl.data.spec import Dataset

_TRIED = 128  # lengths among which buckets are chosen
_LEAST_SAVED = 0.1  # share of the steps that one more bucket must save


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


def train_buckets(dataset: Dataset, most: int) -> tuple[int, ...]:
    """Returns the `bucket_lengths` of a data set; none if its examples have no lengths, or several inputs."""
    train = dataset.splits["train"]
    if "lengths" not in train or dataset.spec.views:
        return ()
    return bucket_lengths(train["lengths"], train["inputs"].shape[1], most)


def bucket_lengths(lengths: np.ndarray, steps: int, most: int) -> tuple[int, ...]:
    """Returns the lengths to which batches are cut so that all examples together have the fewest padded steps.

    A batch of short sequences is computed at the least of these lengths that holds its longest one. Each length is one
    more program to compile; one that saves less than a tenth of the steps is left out.

    Args:
        lengths: (examples,) integers, the valid steps of each example to train on.
        steps: the steps of every example, with padding.
        most: the largest number of lengths.

    Returns:
        At most `most` lengths, ascending; the last is `steps`, for examples of other splits may be longer.
    """
    ordered = np.sort(np.maximum(lengths, 1))
    if steps < 2 or not len(ordered):
        return (steps,)
    # Where each length ends among the examples; of many lengths, evenly many are tried.
    ends = np.unique(np.searchsorted(ordered, np.unique(ordered), "right"))
    ends = ends[np.unique(np.linspace(0, len(ends) - 1, min(len(ends), _TRIED)).astype(int))]
    values = ordered[ends - 1].astype(np.float64)
    if values[-1] < steps:
        values, ends = np.append(values, steps), np.append(ends, len(ordered))
    # cost[j]: steps of the examples up to ends[j] with so many lengths, of which values[j] is the largest.
    cost, before = values * ends, list[np.ndarray]()
    found: list[tuple[float, tuple[int, ...]]] = [(cost[-1], (len(ends) - 1,))]
    for _ in range(1, most):
        with_cut = cost[:, None] + (ends[None] - ends[:, None]) * values[None]
        with_cut[np.tril_indices(len(ends))] = np.inf
        before.append(with_cut.argmin(0))
        cost = with_cut.min(0)
        chain = [len(ends) - 1]
        for choice in reversed(before):
            chain.append(int(choice[chain[-1]]))
        if not np.isfinite(cost[-1]) or cost[-1] > (1 - _LEAST_SAVED) * found[-1][0]:
            break
        found.append((cost[-1], tuple(reversed(chain))))
    return tuple(int(values[place]) for place in found[-1][1])


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


def pad_alike(splits: dict[str, dict[str, np.ndarray]]) -> None:
    """Gives all splits lengths, and as many steps as the longest; not targets that have lengths of their own."""
    steps = max(split["inputs"].shape[1] for split in splits.values())
    for split in splits.values():
        count, before = split["inputs"].shape[:2]
        split.setdefault("lengths", np.full(count, before, np.int32))
        if before < steps and is_streamed(split["inputs"]):
            raise UserError(
                f"the splits have {before} and {steps} steps: give all {steps}, since what is read from disk while a "
                "model is trained is not padded; or --data.stream=off."
            )
        for key in ("inputs", "targets") if before < steps else ():
            array = split[key]
            apart = key == "targets" and "target_lengths" in split
            if array.ndim > 1 and array.shape[1] == before and not apart:
                split[key] = np.pad(array, [(0, 0), (0, steps - before)] + [(0, 0)] * (array.ndim - 2))


def pad_answers(splits: dict[str, dict[str, np.ndarray]]) -> None:
    """Gives the targets of all splits lengths of their own, and as many steps as the longest of them."""
    if any(split["targets"].ndim != 2 for split in splits.values()):
        raise UserError("Arrays: target_lengths need targets of shape (examples, time), a class for each step.")
    steps = max(split["targets"].shape[1] for split in splits.values())
    for split in splits.values():
        count, before = split["targets"].shape
        split.setdefault("target_lengths", np.full(count, before, np.int32))
        if before < steps:
            split["targets"] = np.pad(split["targets"], [(0, 0), (0, steps - before)])


def are_apart(split: Mapping[str, np.ndarray], lengths: np.ndarray) -> bool:
    """Returns whether the targets of a split have lengths of their own: their steps are not those of the inputs."""
    inputs, targets = split["inputs"], split["targets"]
    return inputs.shape[1:2] != targets.shape[1:2] or not np.array_equal(split.get("lengths", lengths), lengths)


def without_axis_of_one(labels: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """Returns labels (examples, 1) as (examples,), unless they are those of the one step of each sequence."""
    one_step = inputs.ndim > 2 and inputs.shape[1] == 1
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 and not one_step else labels
