"""Named inputs and targets: an array of a split has the name ``inputs/NAME``, and a view of it is that of a single one.

All that is known of a single input and a single target, such as checks, padding and preprocessing, works on views.
"""

from __future__ import annotations

import dataclasses
import keyword
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from jaxdl.errors import UserError

if TYPE_CHECKING:
    from jaxdl.data.spec import Dataset, Spec

A = TypeVar("A")

_OF_INPUTS = ("inputs", "lengths")
# `counted` is made in a step: which labels are not to be ignored.
_OF_TARGETS = ("targets", "target_lengths", "counted")
# What a model is called with beside its inputs, and what Flax's `apply` and `init` take themselves.
_RESERVED = ("train", "lengths", "targets", "variables", "rngs", "mutable", "method", "capture_intermediates")


def full_name(kind: str, name: str) -> str:
    """Returns the name of an array: ``inputs/image``; ``inputs`` where there is a single one, which has no name."""
    return f"{kind}/{name}" if name else kind


def view(arrays: Mapping[str, A], input: str = "", target: str = "") -> dict[str, A]:
    """Returns the arrays of a split or a batch that belong to one input and one target, without their names.

    What belongs to neither, such as weights and a mask, belongs to all.

    Args:
        arrays: the arrays.
        input: name of the input; empty where there is a single one.
        target: name of the target, alike.
    """
    found = {}
    for key, array in arrays.items():
        kind, _, name = key.partition("/")
        if not name or name == (input if kind in _OF_INPUTS else target):
            found[kind] = array
    return found


def put_back(arrays: Mapping[str, A], viewed: Mapping[str, A], input: str = "", target: str = "") -> dict[str, A]:
    """Returns the arrays with those of a view in their places."""
    changed = dict(arrays)
    for kind, array in viewed.items():
        name = input if kind in _OF_INPUTS else target if kind in _OF_TARGETS else ""
        changed[full_name(kind, name)] = array
    return changed


def names_of(arrays: Iterable[str], kind: str) -> tuple[str, ...]:
    """Returns the names of the inputs, or of the targets, of a split; one empty name for a single one."""
    return tuple(key.partition("/")[2] for key in arrays if key.partition("/")[0] == kind)


def of_view(dataset: Dataset, input: str, target: str | None, spec: Spec) -> Dataset:
    """Returns a set as one of a single input and a single target.

    Args:
        dataset: the set.
        input: name of the input; empty where there is a single one.
        target: name of the target, alike; None: none, in the place of which are zeros.
        spec: that of both.
    """
    splits = {}
    for name, split in dataset.splits.items():
        splits[name] = view(split, input, target or "")
        if target is None:
            splits[name] = {key: array for key, array in splits[name].items() if not key.startswith("target")}
            splits[name]["targets"] = np.zeros(len(splits[name]["inputs"]), np.float32)
    return dataclasses.replace(dataset, spec=dataclasses.replace(spec, inputs=(), targets=()), splits=splits)


def spec_of_views(dataset: Dataset) -> Spec:
    """Returns the spec of a set of several inputs or targets with what follows from its examples.

    Raises:
        UserError: lengths of an input or a target are wrong.
    """
    spec = dataset.spec
    inputs = tuple((name, of_view(dataset, name, None, each).spec) for name, each in spec.inputs)
    targets = {name: of_view(dataset, each.of_input, name, each).spec for name, each in spec.by_target.items()}
    first = next(iter(targets.values()))
    return dataclasses.replace(first, inputs=inputs, targets=tuple(targets.items()) if spec.targets else ())


def check_input_names(names: Iterable[str], where: str) -> None:
    """Raises `UserError` for names of inputs that cannot be arguments of a model."""
    for name in _checked(names, where):
        if name in _RESERVED:
            raise UserError(f"{where}: an input cannot have the name {name!r}, which a model's call has for another.")


def check_target_names(names: Iterable[str], where: str) -> None:
    """Raises `UserError` for names of targets that cannot be those of fields."""
    _checked(names, where)


def _checked(names: Iterable[str], where: str) -> list[str]:
    listed = list(names)
    for name in listed:
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
            raise UserError(f"{where}: the name {name!r} must be one that an argument of Python can have.")
    return listed
