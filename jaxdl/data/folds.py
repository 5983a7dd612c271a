"""Cross-validation: cuts train into folds, each of which validates a training on the others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaxdl.data.spec import GROUPS, Split, examples
from jaxdl.data.splits import By, shuffled_examples
from jaxdl.errors import UserError

NEVER = -1  # the fold of an example that validates no training


class Rows(NamedTuple):
    """Which examples of a source a fold trains and validates on, by their numbers.

    Attributes:
        train: (examples,) integers, rising.
        validation: the same of the fold itself.
    """

    train: np.ndarray
    validation: np.ndarray


def assigned(split: Split, folds: int, by: By) -> np.ndarray:
    """Returns the fold in which each example validates, (examples,) from 0; `NEVER` for one that only trains.

    It depends only on the number of examples, their classes and their groups, so that all seeds have the same folds.

    Args:
        split: the arrays of train. Where it has ``groups`` (examples,), such as the numbers of patients, whole groups
            are dealt out, the largest first, each to the fold with the fewest examples, as by scikit-learn's
            `GroupKFold`.
        folds: how many, at least 2.
        by: ``"example"`` deals at random; ``"class"`` lets folds differ by at most one example of each class, and in
            their sizes by at most one; ``"time"`` cuts ``folds + 1`` stretches that follow one another, of which the
            first only trains, as scikit-learn's `TimeSeriesSplit`.

    Raises:
        UserError: there are fewer examples, or groups, than folds.
    """
    count = examples(split)
    if count < folds + (by == "time"):
        raise UserError(f"data.folds={folds}: there are only {count:,} examples to train on; give fewer folds.")
    if GROUPS in split:
        return _of_groups(split[GROUPS], folds)
    found = np.full(count, NEVER, np.int32)
    if by == "time":
        size = count // (folds + 1)
        found[count - folds * size :] = np.repeat(np.arange(folds, dtype=np.int32), size)
        return found
    order = shuffled_examples(count)
    if by == "class":
        order = order[np.argsort(split["targets"][order], kind="stable")]
    found[order] = np.arange(count, dtype=np.int32) % folds
    return found


def _of_groups(groups: np.ndarray, folds: int) -> np.ndarray:
    _, numbers = np.unique(groups, return_inverse=True)
    counts = np.bincount(numbers)
    if len(counts) < folds:
        raise UserError(f"data.folds={folds}: there are only {len(counts)} groups; give fewer folds.")
    fold_of = np.zeros(len(counts), np.int32)
    sizes = np.zeros(folds, np.int64)
    order = shuffled_examples(len(counts))
    for group in order[np.argsort(-counts[order], kind="stable")]:
        fold_of[group] = sizes.argmin()
        sizes[fold_of[group]] += counts[group]
    return fold_of[numbers]


def rows_of(folds: np.ndarray, fold: int, by: By) -> Rows:
    """Returns the rows of one fold.

    Args:
        folds: the result of `assigned`.
        fold: which one validates.
        by: as there; by time, only what comes before it trains.
    """
    validation = np.flatnonzero(folds == fold)
    train = np.flatnonzero(folds < fold) if by == "time" else np.flatnonzero(folds != fold)
    return Rows(train, validation)


def stretch_of(rows: int, folds: int, fold: int) -> tuple[int, int]:
    """Returns at which rows of a series the targets of a fold's validation begin and end.

    Args:
        rows: rows before those of test.
        folds: how many folds there are.
        fold: which one.

    Raises:
        UserError: there are fewer rows than folds.
    """
    size = rows // (folds + 1)
    if not size:
        raise UserError(f"data.folds={folds}: there are only {rows:,} rows before those of test; give fewer folds.")
    first = rows - (folds - fold) * size
    return first, first + size
