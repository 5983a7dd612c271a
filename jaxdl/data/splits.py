"""Cuts a share of the examples off, for validation or for test: the same ones for every seed of an experiment."""

from __future__ import annotations

from typing import Literal

import numpy as np

from jaxdl.data.spec import GROUPS, Split, examples

By = Literal["example", "class", "time"]
"""How examples are chosen: at random, at random from each class, or the last ones."""

# Any fixed number would do; it is not the experiment's seed, so that all seeds are validated on the same examples.
_SEED = 20_200_229


def cut(split: Split, share: float, by: By = "example") -> tuple[Split, Split]:
    """Cuts a share of the examples off; both parts keep the order of `split`.

    Which examples these are depends only on their number, their classes and their groups, and on the share. A share
    above 0 takes at least one example and leaves at least one.

    Args:
        split: the arrays of a split. Where it has ``groups`` (examples,), such as the numbers of patients, whole
            groups are taken, at random, until they have the share.
        share: from 0 to below 1.
        by: ``"class"`` takes the share of each class of targets (examples,) integers, rounded to whole examples, and
            never all examples of a class; ``"time"`` takes the last examples.

    Returns:
        The rest, and what was cut off.
    """
    count = examples(split)
    size = min(max(1, round(count * share)), count - 1) if share else 0
    if not size:
        return split, {key: array[:0] for key, array in split.items()}
    if GROUPS in split:
        chosen = _of_groups(split[GROUPS], size)
    elif by == "class":
        chosen = _of_classes(split["targets"], share, size)
    elif by == "time":
        chosen = np.arange(count) >= count - size
    else:
        chosen = np.isin(np.arange(count), _order(count)[:size])
    return {key: a[~chosen] for key, a in split.items()}, {key: a[chosen] for key, a in split.items()}


def _order(count: int) -> np.ndarray:
    # RandomState, because NumPy never changes its stream; that of Generator.permutation may change between versions.
    return np.random.RandomState(_SEED).permutation(count)


def _of_groups(groups: np.ndarray, size: int) -> np.ndarray:
    """Marks whole groups in a random order until they have `size` examples; one group is always left."""
    _, numbers = np.unique(groups, return_inverse=True)
    counts = np.bincount(numbers)
    order = _order(len(counts))
    taken = 1 + int(np.searchsorted(np.cumsum(counts[order]), size))
    return np.isin(numbers, order[: min(taken, len(counts) - 1)])


def _of_classes(labels: np.ndarray, share: float, size: int) -> np.ndarray:
    """Marks the share of each class; if that is less than one example of every class, `size` of all."""
    order = _order(len(labels))
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        chosen[members[: min(round(len(members) * share), len(members) - 1)]] = True
    if not chosen.any():
        chosen[order[:size]] = True
    return chosen
