"""Looking at data of several inputs or targets: each input with its kind and examples, each target with its balance."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxdl.augment import Augmentation
from jaxdl.augment.several import augmented
from jaxdl.data import Dataset, Spec, examples
from jaxdl.data.inspection import Inspection, inspect_several
from jaxdl.data.named import full_name, of_view
from jaxdl.experiment.recipe import Experiment

Show = Callable[[np.ndarray, Sequence[str], Dataset, Any], str]
Caption = Callable[[np.ndarray, Dataset], str]


@dataclasses.dataclass(frozen=True)
class Several:
    """What a page shows of data of several inputs or targets.

    Attributes:
        found: sizes, and what looks wrong; statistics and counts of classes have the name of their input or target
            before their own.
        facts: values by name.
        balance: for each class of each target its name and its number of examples in each split.
        splits: names of the splits.
    """

    found: Inspection
    facts: dict[str, Any]
    balance: list[tuple[Any, ...]]
    splits: list[str]


def look_at_several(dataset: Dataset) -> Several:
    """Returns what the data are, without examples; reads every example once."""
    each, warnings = inspect_several(dataset)
    spec, sizes = dataset.spec, {name: examples(split) for name, split in dataset.splits.items()}
    found = Inspection(
        sizes=sizes,
        class_counts={},
        features=tuple(_named(each, "features")),
        target=tuple(_named(each, "target")),
        warnings=warnings,
    )
    facts = {
        "data": dataset.used,
        "examples": ", ".join(f"{name} {size:,}" for name, size in sizes.items()),
        **{f"input {name}".strip(): _about_input(of_input) for name, of_input in inputs_of(spec)},
        **{f"target {name}".strip(): _about_target(spec, each[name or "target"]) for name, spec in _targets_of(spec)},
        "fingerprint": dataset.fingerprint,
    }
    splits, balance = list(dataset.splits), list[tuple[Any, ...]]()
    for name, of_target in _targets_of(spec):
        counts = each[name or "target"].class_counts
        names = of_target.class_names or tuple(map(str, range(of_target.outputs)))
        rows = zip(names, *(counts[split] for split in splits), strict=False) if counts else ()
        balance += [(f"{name}: {of_class}" if name else of_class, *numbers) for of_class, *numbers in rows]
    return Several(found, facts, balance, splits if balance else [])


def inputs_of(spec: Spec) -> Sequence[tuple[str, Spec]]:
    """Returns the name and the spec of each input; a single one has no name."""
    return spec.inputs or (("", spec),)


def _targets_of(spec: Spec) -> Sequence[tuple[str, Spec]]:
    return spec.targets or (("", spec),)


def _named(each: Mapping[str, Inspection], kind: str) -> Iterator[Any]:
    for name, found in each.items():
        for feature in getattr(found, kind):
            yield dataclasses.replace(feature, name=name if feature.name == "target" else f"{name} {feature.name}")


def _about_input(spec: Spec) -> str:
    kind = "numbers"
    if spec.preprocess.cast == "none":
        kind = f"ids from 0 to {max(spec.vocabulary - 1, 0):,}"
    elif len(spec.input_shape) == 3 and spec.input_shape[-1] in (1, 3):
        kind = "pictures"
    elif len(spec.input_shape) == 2 or spec.lengths:
        kind = "sequences"
    lengths = f", with lengths, up to {spec.input_shape[0]:,} steps" if spec.lengths else ""
    return f"{kind}, {spec.input_dtype} of shape {spec.input_shape}{lengths}"


def _about_target(spec: Spec, found: Inspection) -> str:
    kind = f"one of {spec.outputs:,} classes" if found.class_counts else "numbers"
    if not found.class_counts and not found.target:
        kind = "answers to yes-or-no questions"
    each = {0: "", 1: " for each step", 2: " for each pixel"}.get(len(spec.target_shape), "") * bool(found.class_counts)
    return f"{kind}{each}, shape {spec.target_shape}"


def examples_of_several(
    experiment: Experiment, dataset: Dataset, most: int, show: Show, caption: Caption
) -> dict[str, str]:
    """Returns the first train examples of each input, as the model sees them and as augmentation changes them.

    Args:
        experiment: the recipe.
        dataset: the data.
        most: how many.
        show: makes a section of examples: ``show(inputs, captions, dataset of this input, lengths)``.
        caption: makes the text of a target: ``caption(target, dataset of this target)``.
    """
    spec = dataset.spec
    train = {name: np.asarray(array[:most]) for name, array in dataset.splits["train"].items()}
    texts: list[list[str]] = []
    for name, of_target in _targets_of(spec):
        viewed, before = of_view(dataset, of_target.of_input, name, of_target), f"{name} " if name else ""
        texts.append([before + caption(target, viewed) for target in train[full_name("targets", name)]])
    captions = [", ".join(each) for each in zip(*texts, strict=True)]
    none, key = Augmentation(), jax.random.fold_in(jax.random.key(experiment.seed), 0)
    batch = {name: jax.numpy.asarray(array) for name, array in train.items()}
    plain, changed = (augmented(each, none, batch, spec, key) for each in (none, experiment.augmentation))
    shown = {}
    for name, of_input in inputs_of(spec):
        viewed, what = of_view(dataset, name, None, of_input), f" of {name}" if name else ""
        seen, other = (np.asarray(each[full_name("inputs", name)]) for each in (plain, changed))
        lengths = [each.get(full_name("lengths", name)) for each in (plain, changed)]
        shown[f"Examples{what} of train, as the model sees them"] = show(seen, captions, viewed, lengths[0])
        if not np.array_equal(other, seen, equal_nan=other.dtype.kind == "f"):
            shown[f"The same{what}, changed by augmentation"] = show(other, captions, viewed, lengths[1])
    return shown
