"""Cuts a share of the examples off, for validation or for test: the same ones for every seed of an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from jaxdl.data.memory import gathered
from jaxdl.data.spec import GROUPS, Split, examples
from jaxdl.data.stream import is_streamed

By = Literal["example", "class", "time"]
"""How examples are chosen: at random, at random from each class, or the last ones."""

# The arrays that decide which examples are cut off.
CUT_BY = ("targets", GROUPS)
# Any fixed number would do; it is not the experiment's seed, so that all seeds are validated on the same examples.
_SEED = 20_200_229


def cut(split: Split, share: float, by: By = "example") -> tuple[Split, Split]:
    """Cuts a share of the examples off, see `cut_off`; returns the rest, and what was cut off."""
    chosen = cut_off(split, share, by)
    if not chosen.any():
        return split, {key: array[:0] for key, array in split.items()}
    return {key: a[~chosen] for key, a in split.items()}, {key: a[chosen] for key, a in split.items()}


def cut_off(split: Split, share: float, by: By = "example") -> np.ndarray:
    """Chooses the share of the examples to cut off; both parts keep the order of `split`.

    Which examples these are depends only on their number, their classes and their groups, and on the share. A share
    above 0 takes at least one example and leaves at least one.

    Args:
        split: the arrays of a split. Where it has ``groups`` (examples,), such as the numbers of patients, whole
            groups are taken, at random, until they have the share.
        share: from 0 to below 1.
        by: ``"class"`` takes the share of each class of targets (examples,) integers, rounded to whole examples, and
            never all examples of a class; ``"time"`` takes the last examples.

    Returns:
        (examples,) bool, True for those to cut off.
    """
    count = examples(split)
    size = min(max(1, round(count * share)), count - 1) if share else 0
    if not size:
        return np.zeros(count, bool)
    if GROUPS in split:
        return _of_groups(split[GROUPS], size)
    elif by == "class":
        return _of_classes(split["targets"], share, size)
    elif by == "time":
        return np.arange(count) >= count - size
    return np.isin(np.arange(count), shuffled_examples(count)[:size])


def taken(parts: Mapping[str, tuple[Split, np.ndarray | None]]) -> dict[str, Split]:
    """Returns rows of splits, without groups and without empty ones.

    If some rows are left out, all splits are copied into one array for each of their names, one after the other, where
    `jaxdl.data.memory.joined` finds them together.

    Args:
        parts: for each split to make, what to take from, and which rows of it; None: all.
    """
    parts = {name: part for name, part in parts.items() if examples(part[0]) and (part[1] is None or len(part[1]))}
    splits: dict[str, dict[str, np.ndarray]] = {name: {} for name in parts}
    for key in dict.fromkeys(key for split, _ in parts.values() for key in split if key != GROUPS):
        of_key = {name: (split[key], rows) for name, (split, rows) in parts.items() if key in split}
        arrays = [array for array, _ in of_key.values()]
        if any(map(is_streamed, arrays)):
            arrays = [array if rows is None else array[rows] for array, rows in of_key.values()]
        elif any(rows is not None for _, rows in of_key.values()):
            arrays = gathered(list(of_key.values()))
        for name, array in zip(of_key, arrays, strict=True):
            splits[name][key] = array
    return dict(splits)


def shuffled_examples(count: int) -> np.ndarray:
    """Returns the numbers of examples in a random order that is always the same, (count,)."""
    # RandomState, because NumPy never changes its stream; that of Generator.permutation may change between versions.
    return np.random.RandomState(_SEED).permutation(count)


def _of_groups(groups: np.ndarray, size: int) -> np.ndarray:
    """Marks whole groups in a random order until they have `size` examples; one group is always left."""
    _, numbers = np.unique(groups, return_inverse=True)
    counts = np.bincount(numbers)
    order = shuffled_examples(len(counts))
    taken = 1 + int(np.searchsorted(np.cumsum(counts[order]), size))
    return np.isin(numbers, order[: min(taken, len(counts) - 1)])


def _of_classes(labels: np.ndarray, share: float, size: int) -> np.ndarray:
    """Marks the share of each class; if that is less than one example of every class, `size` of all."""
    order = shuffled_examples(len(labels))
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        chosen[members[: min(round(len(members) * share), len(members) - 1)]] = True
    if not chosen.any():
        chosen[order[:size]] = True
    return chosen
