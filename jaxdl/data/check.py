"""Checks the numbers of a loaded data set: that each label names a class, and that all numbers are finite.

A compiled program does not notice a label that names no class: JAX takes the nearest valid index, or counts from the
end. So labels are checked here, on the host; `jaxdl.data.Dataset` itself checks lengths.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from jaxdl.data.lengths import steps_that_count
from jaxdl.data.named import of_view
from jaxdl.data.spec import Dataset, Spec, Split
from jaxdl.data.stream import blocks, remembered
from jaxdl.errors import UserError

UNLABELLED = -1
"""The label of an example whose class is not known, as TFDS and scikit-learn write it."""


def checked(dataset: Dataset, notify: Callable[[str], None]) -> Dataset:
    """Returns the data set without its unlabelled examples, whose number is reported.

    Raises:
        UserError: a label names no class, an id is negative, a number is not finite, or weights are not what
            `check_weights` says.
    """
    if dataset.spec.views:
        return _checked_views(dataset, notify)
    splits = {}
    for name, split in dataset.splits.items():
        where = f"the {name} split of {dataset.used}"
        _check_finite(split, dataset.spec, where)
        _check_ids(split, dataset.spec, where)
        if "weights" in split:
            check_weights(split["weights"], len(split["inputs"]), where)
        splits[name] = _labelled(split, dataset.spec, where, notify)
    return dataclasses.replace(dataset, splits=splits)


def _checked_views(dataset: Dataset, notify: Callable[[str], None]) -> Dataset:
    """Returns the data set of named inputs and targets, after each is checked; unlabelled examples are refused."""
    for input, target, spec in dataset.spec.views:
        given = of_view(dataset, input, target, spec)
        named = dataclasses.replace(given, used=" ".join(filter(None, (dataset.used, target or input))))
        left = checked(named, lambda line: None)
        for name, split in left.splits.items():
            missing = len(named.splits[name]["targets"]) - len(split["targets"])
            if missing:
                raise UserError(
                    f"the {name} split of {dataset.used}: {missing:,} examples have no label ({UNLABELLED}) of "
                    f"{target or 'the target'}; leave these examples out, or give them the weight 0 and any label."
                )
    return dataset


def are_classes(targets: np.ndarray, spec: Spec) -> bool:
    """Returns whether targets are class numbers; otherwise they are values, or the answers to yes-no questions."""
    of_pixels = len(spec.target_shape) > 1 and spec.target_shape == spec.input_shape[:-1]
    of_steps = spec.preprocess.cast == "none" and spec.target_shape == spec.input_shape[:1]
    sequences = len(spec.input_shape) > 1 or spec.preprocess.cast == "none"
    of_steps = spec.target_lengths or (sequences and spec.target_shape == spec.input_shape[:1])
    questions = spec.target_shape[-1:] == (spec.outputs,) and not of_pixels and not of_steps
    return targets.dtype.kind in "iu" and spec.outputs > 1 and not questions


def _check_ids(split: Split, spec: Spec, where: str) -> None:
    if spec.preprocess.cast != "none":
        return
    read = {name: split[name] for name in ("inputs", "lengths") if name in split}

    def check() -> bool:
        for first, part in blocks(read):
            check_ids(part["inputs"], part.get("lengths"), spec, where, first)
        return True

    remembered("no id is negative", read, check)


def check_ids(inputs: np.ndarray, lengths: np.ndarray | None, spec: Spec, where: str, first: int = 0) -> None:
    """Checks that ids, such as those of words, are not negative: an embedding would count them from its end.

    Args:
        inputs: (examples, ...); anything but ids is not looked at.
        lengths: (examples,) valid steps of each; steps beyond them may hold anything. None: all steps are valid.
        spec: describes the data.
        where: what the inputs belong to, for the message.
        first: the number of the first example.

    Raises:
        UserError: an id is negative.
    """
    if spec.preprocess.cast != "none" or not inputs.size or inputs.min() >= 0:
        return
    negative = inputs < 0
    if lengths is not None:
        negative &= ~_beyond({"inputs": inputs, "lengths": lengths}).reshape(
            *inputs.shape[:2], *[1] * (inputs.ndim - 2)
        )
    wrong = np.flatnonzero(negative.reshape(len(inputs), -1).any(1))
    if len(wrong):
        example = first + int(wrong[0])
        raise UserError(f"{where}: example {example} has a negative id, {inputs[wrong[0]].min()}; ids count from 0.")


def check_weights(weights: np.ndarray, count: int, where: str) -> None:
    """Checks how much each example counts.

    Args:
        weights: (examples,) float32: finite, at least 0, and above 0 for one example or more.
        count: the number of examples.
        where: what the weights belong to, for the message.

    Raises:
        UserError: they are something else.
    """
    if weights.dtype != np.float32 or weights.shape != (count,):
        raise UserError(
            f"{where}: weights are {weights.dtype} of shape {weights.shape}; give a number for each of the "
            f"{count:,} examples, as float32."
        )
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        raise UserError(
            f"{where}: the weight of example {wrong[0]} is {weights[wrong[0]]}; a weight is a finite number, 0 or more."
        )
    if count and not weights.any():
        raise UserError(f"{where}: all weights are 0, so that no example counts; give one above 0, or leave them out.")


def _check_finite(split: Split, spec: Spec, where: str) -> None:
    for key in ("inputs", "targets"):
        if split[key].dtype.kind != "f":
            continue
        read = {name: split[name] for name in ("inputs", "lengths", "target_lengths", key) if name in split}
        fill = key == "inputs" and bool(spec.preprocess.fill)

        def find(key: str = key, read: Split = read, fill: bool = fill) -> list[int]:
            return [first + number for first, part in blocks(read) for number in _not_finite(part, key, fill)]

        wrong = remembered(f"{key} that are not finite, {fill=}", read, find)
        if wrong:
            raise UserError(
                f"{where}: the {key} of {len(wrong):,} of {len(split[key]):,} examples hold NaN or infinity, first in "
                f"example {wrong[0]}. Remove or replace them."
            )


def _not_finite(split: Split, key: str, fill: bool) -> list[int]:
    """Returns the numbers of the examples with a number that is not finite; with `fill` it may be missing, NaN."""
    array = split[key]
    if np.isfinite(array.sum(dtype=np.float64)):
        return []
    finite = np.isfinite(array)
    if fill:
        finite |= np.isnan(array)
    counts = steps_that_count(split) if key == "targets" else ~_beyond(split) if "lengths" in split else None
    if counts is not None:
        finite |= ~counts.reshape(*array.shape[:2], *[1] * (array.ndim - 2))
    wrong: list[int] = np.flatnonzero(~finite.reshape(len(array), -1).all(1)).tolist()
    return wrong


def _beyond(split: Split) -> np.ndarray:
    """Returns which steps lie beyond the lengths, (examples, time) bool."""
    beyond: np.ndarray = np.arange(split["inputs"].shape[1]) >= split["lengths"][:, None]
    return beyond


def _labelled(split: Split, spec: Spec, where: str, notify: Callable[[str], None]) -> Split:
    """Returns a split without unlabelled examples; a sequence is unlabelled if no valid step has a label."""
    targets = split["targets"]
    if not are_classes(targets, spec) or not targets.size:
        return split
    steps = steps_that_count(split)
    counts = np.ones(targets.shape, bool) if steps is None else steps
    if spec.ignore_index is not None:
        counts = counts & (targets != spec.ignore_index)
    unlabelled = ((targets == UNLABELLED) | ~counts).reshape(len(targets), -1).all(1)
    unlabelled &= counts.reshape(len(targets), -1).any(1)
    valid = (targets >= 0) & (targets < spec.outputs)
    wrong = np.flatnonzero((counts & ~valid).reshape(len(targets), -1).any(1) & ~unlabelled)
    used = targets[counts]
    if not used.size:
        raise UserError(f"{where}: every label is {spec.ignore_index}, which data.ignore_index says to ignore.")
    if len(wrong) or set(np.unique(used)) == {-1, 1}:
        raise UserError(
            f"{where}: labels are from {used.min()} to {used.max()}, but must be from 0 to {spec.outputs - 1}"
            f"{f', first in example {wrong[0]}' if len(wrong) else ''}. {_cause(used, spec.outputs)}"
        )
    if not unlabelled.any():
        return split
    notify(
        f"{unlabelled.sum():,} of the {len(targets):,} examples in {where} have no label ({UNLABELLED}); "
        "they are left out."
    )
    return {key: array[~unlabelled] for key, array in split.items()}


def _cause(labels: np.ndarray, classes: int) -> str:
    """Returns the likely cause of wrong labels, and what to do."""
    if labels.min() == 1 and labels.max() == classes:
        return "They begin at 1: subtract 1."
    if set(np.unique(labels)) == {-1, 1}:
        return "Write 0 and 1 for -1 and 1."
    if labels.min() < 0:
        return (
            f"{UNLABELLED} marks an example without a label; use lengths for padded steps, and data.ignore_index for "
            "others that are not to count."
        )
    return "Give the data as many classes, or floating-point targets for a regression."
