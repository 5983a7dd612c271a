"""Arrays of several inputs or targets: each by its name goes through what `jaxdl.data.sources.arrays` does to one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxdl.data.named import check_input_names, check_target_names, full_name, names_of, put_back, view
from jaxdl.data.sources.arrays import OfArrays, split_of
from jaxdl.data.spec import Spec, Split
from jaxdl.errors import UserError

Splits = dict[str, dict[str, np.ndarray]]


def split_of_several(where: str, name: str, values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Returns a split's arrays by their full names, such as ``inputs/image``; see `split_of`.

    Args:
        where: what holds them, in messages.
        name: the split.
        values: what `split_of` takes, with dictionaries for ``inputs`` or ``targets`` and their lengths.

    Raises:
        UserError: they do not fit each other, or a name cannot be used.
    """
    inputs, targets = (_by_name(where, key, values[key]) for key in ("inputs", "targets"))
    check_input_names(filter(None, inputs), where)
    check_target_names(filter(None, targets), where)
    lengths = _lengths(where, "lengths", values, inputs)
    target_lengths = _lengths(where, "target_lengths", values, targets)
    split: dict[str, np.ndarray] = {}
    for input, array in inputs.items():
        said = {"lengths": lengths[input]} if input in lengths else {}
        given = {"inputs": array, "targets": np.zeros(len(array), np.float32), **said}
        found = split_of(f"{where}, {input}" if input else where, f"{name} {input}".strip(), given)
        split = put_back(split, {key: each for key, each in found.items() if key != "targets"}, input)
    for target, array in targets.items():
        beside = belongs_to(split, target, array)
        said = {"target_lengths": target_lengths[target]} if target in target_lengths else {}
        given = {**view(split, beside), "targets": array, **said}
        found = split_of(f"{where}, {target}" if target else where, f"{name} {target}".strip(), given)
        split = put_back(split, found, beside, target)
    if "weights" in values:
        first = next(iter(inputs))
        given = {**view(split, first), "targets": np.zeros(len(inputs[first]), np.float32)}
        split["weights"] = split_of(where, name, given | {"weights": values["weights"]})["weights"]
    counts = {key: len(array) for key, array in split.items()}
    if len(set(counts.values())) > 1:
        raise UserError(f"{where}: all need one entry for each example, and their numbers are {counts}.")
    return split


def _by_name(where: str, key: str, values: Any) -> dict[str, Any]:
    """Returns arrays by name; a single one has an empty name."""
    if not isinstance(values, Mapping):
        return {"": values}
    if not values:
        raise UserError(f"{where}: {key} are an empty dictionary.")
    return dict(values)


def _lengths(where: str, key: str, values: Mapping[str, Any], of: Mapping[str, Any]) -> dict[str, Any]:
    given = values.get(key)
    if given is None:
        return {}
    named = given if isinstance(given, Mapping) else {"": given}
    for name in named:
        if name not in of:
            raise UserError(
                f"{where}: {key} must be a dictionary with names among {', '.join(filter(None, of))}; of a single "
                "one an array."
            )
    return dict(named)


def belongs_to(split: Split, target: str, values: Any = None) -> str:
    """Returns the name of the input whose steps or pixels a target has, and otherwise that of the first input.

    Args:
        split: the arrays, of which the inputs are looked at.
        target: name of the target.
        values: the target, where the split does not have it yet.
    """
    array: Any = split[full_name("targets", target)] if values is None else values
    inputs = names_of(split, "inputs")
    if isinstance(array, list | tuple) and len({np.shape(each)[:1] for each in array}) > 1:
        wanted = [len(each) for each in array]
        alike = [name for name in inputs if list(split.get(full_name("lengths", name), ())) == wanted]
        return (alike or inputs)[0]
    shape = np.shape(array)[1:]
    shapes = {name: split[full_name("inputs", name)].shape[1:] for name in inputs}
    alike = [name for name in inputs if shape and shapes[name][: len(shape)] == shape]
    # A target with steps belongs to a sequence sooner than to an image of as many rows.
    alike = sorted(
        alike, key=lambda name: (full_name("lengths", name) not in split, len(shapes[name]) - len(shape) > 1)
    )
    return (alike or inputs)[0]


def spec_of_several(source: OfArrays, splits: Splits) -> Spec:
    """Returns the spec of several inputs or targets, after each was padded and its texts were numbered, in place.

    Raises:
        UserError: the splits do not fit each other, or the source names outputs.
    """
    train = splits["train"]
    if source.outputs is not None and names_of(train, "targets") != ("",):
        raise UserError(f"Arrays(outputs={source.outputs}): there are several targets; leave it out.")
    if any(split.keys() != train.keys() for split in splits.values()):
        listed = "; ".join(f"{name} has {', '.join(split)}" for name, split in splits.items())
        raise UserError(f"Arrays: the splits have other arrays: {listed}.")
    found = {name: dict(split) for name, split in splits.items()}
    of_inputs = {name: _of_view(source, splits, found, name, None) for name in names_of(train, "inputs")}
    of_targets: dict[str, Spec] = {}
    for name in names_of(train, "targets"):
        beside = belongs_to(train, name)
        of_targets[name] = dataclasses.replace(_of_view(source, splits, found, beside, name), of_input=beside)
    splits.update(found)
    inputs, targets = (tuple((name, each) for name, each in of.items() if name) for of in (of_inputs, of_targets))
    return dataclasses.replace(next(iter(of_targets.values())), inputs=inputs, targets=targets)


def _of_view(source: OfArrays, splits: Splits, found: Splits, input: str, target: str | None) -> Spec:
    """Returns the spec of one input and, if it is not None, one target, whose arrays it puts into `found`."""
    views = {name: view(split, input, target or "") for name, split in splits.items()}
    if target is None:
        for each in views.values():
            each["targets"] = np.zeros(len(each["inputs"]), np.float32)
            each.pop("target_lengths", None)
    dtype = next(iter(views.values()))["inputs"].dtype
    ids = source.ids and (not input or (dtype.kind in "iu" and dtype.itemsize > 1))
    spec = dataclasses.replace(source, ids=ids).united(views)
    for name, each in views.items():
        kept = {key: array for key, array in each.items() if target is not None or key != "targets"}
        found[name] = put_back(found[name], kept, input, target or "")
    return spec
