"""Lengths of sequences: the number of valid steps of each example, of which all have the same number of steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxdl.data.named import full_name, names_of
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


def lengths_of(split: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the lengths of those inputs that have some, (examples,) integers by name; that of a single one is ""."""
    return {name: split[full_name("lengths", name)] for name in names_of(split, "lengths")}


def _steps(split: Mapping[str, np.ndarray], name: str) -> int:
    return int(split[full_name("inputs", name)].shape[1])


def share_of_longest(split: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Returns which share of all its steps the longest sequence of each example has, (examples,) float64.

    Of several inputs that one counts which has the largest share. None: the examples have no lengths.
    """
    lengths = lengths_of(split)
    if not lengths:
        return None
    shares: np.ndarray = np.max([each / max(1, _steps(split, name)) for name, each in lengths.items()], axis=0)
    return shares


def train_buckets(dataset: Dataset, most: int) -> dict[str, tuple[int, ...]]:
    """Returns the `bucket_lengths` of a data set; empty if its examples have no lengths."""
    train = dataset.splits["train"]
    lengths = lengths_of(train)
    return bucket_lengths(lengths, {name: _steps(train, name) for name in lengths}, most) if lengths else {}


def bucket_of_each(split: Mapping[str, np.ndarray], buckets: Mapping[str, tuple[int, ...]]) -> np.ndarray | None:
    """Returns the first bucket that holds each example, (examples,) integers; None where there are fewer than two.

    Args:
        split: the arrays.
        buckets: what `train_buckets` returned.
    """
    if all(len(lengths) < 2 for lengths in buckets.values()):
        return None
    found: np.ndarray = np.max([np.searchsorted(buckets[n], each) for n, each in lengths_of(split).items()], axis=0)
    return found


def bucket_lengths(
    lengths: Mapping[str, np.ndarray], steps: Mapping[str, int], most: int
) -> dict[str, tuple[int, ...]]:
    """Returns the lengths to which batches are cut so that all examples together have the fewest padded steps.

    A batch of short sequences is computed at the first bucket that holds its longest one. Each bucket is one more
    program to compile; one that saves less than a tenth of the steps is left out. Of several inputs a bucket has a
    length for each, and examples fill buckets in the order of their longest sequence, see `share_of_longest`.

    Args:
        lengths: of each input, (examples,) integers, the valid steps of each example to train on.
        steps: of each input, the steps of every example, with padding.
        most: the largest number of buckets.

    Returns:
        The lengths of each input, one for each bucket, at most `most`, none below that before it; the last are `steps`,
        for examples of other splits may be longer.
    """
    room = np.array([steps[name] for name in lengths])
    needed = np.maximum([lengths[name] for name in lengths], 1)
    if room.max() < 2 or not needed.shape[1]:
        return {name: (steps[name],) for name in lengths}
    order = np.argsort((needed / np.maximum(room, 1)[:, None]).max(0), kind="stable")
    ordered = np.maximum.accumulate(needed[:, order], axis=1)  # what holds all examples so far
    # Where each length ends among the examples; of many lengths, evenly many are tried.
    ends = 1 + np.flatnonzero(np.append((ordered[:, 1:] != ordered[:, :-1]).any(0), True))
    ends = ends[np.unique(np.linspace(0, len(ends) - 1, min(len(ends), _TRIED)).astype(int))]
    holds = ordered[:, ends - 1]
    if (holds[:, -1] < room).any():
        holds, ends = np.column_stack([holds, room]), np.append(ends, len(order))
    chosen = _cheapest(holds.sum(0).astype(np.float64), ends, most)
    return {name: tuple(holds[number, chosen].tolist()) for number, name in enumerate(lengths)}


def _cheapest(values: np.ndarray, ends: np.ndarray, most: int) -> list[int]:
    """Returns which of the possible buckets to have, the last among them, so that the examples have the fewest steps.

    Args:
        values: (possible,) float64, the steps of an example in each bucket, ascending.
        ends: (possible,) integers, how many examples each bucket holds together with those before it.
        most: the largest number of buckets.
    """
    # cost[j]: steps of the examples up to ends[j] in so many buckets, of which j is the last.
    cost, before = values * ends, list[np.ndarray]()
    found = [(cost[-1], [len(ends) - 1])]
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
        found.append((cost[-1], chain[::-1]))
    return found[-1][1]


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
