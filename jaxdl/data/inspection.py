"""What a person should know of a data set before training on it: sizes, balance, statistics, and what looks wrong."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from jaxdl.data.check import are_classes
from jaxdl.data.lengths import steps_that_count
from jaxdl.data.named import of_view
from jaxdl.data.spec import Dataset, Spec, Split, examples
from jaxdl.data.statistics import mean_and_deviation
from jaxdl.data.stream import is_streamed

# How many names a warning lists.
_MOST_NAMES = 5
_MOST_BYTES = 2**28  # of a split that is read from disk


@dataclasses.dataclass(frozen=True)
class Feature:
    """What the train split holds of one input: of a channel of an image, of a column, or of the last axis.

    Attributes:
        name: the name of the column, or the position on the last axis.
        least, mean, deviation, most: of its numbers after scaling and before standardising; NaN is left out.
        missing: share of the numbers that are missing (NaN).
    """

    name: str
    least: float
    mean: float
    deviation: float
    most: float
    missing: float


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What `inspect` found.

    Attributes:
        sizes: number of examples by split.
        class_counts: by split, how often each class occurs among the valid targets; empty if these are no classes.
        features: the statistics of train; empty for ids.
        target: the same of the numbers to predict; empty for classes.
        warnings: what looks wrong, one sentence each.
    """

    sizes: Mapping[str, int]
    class_counts: Mapping[str, tuple[int, ...]]
    features: tuple[Feature, ...]
    target: tuple[Feature, ...]
    warnings: tuple[str, ...]


def inspect(dataset: Dataset) -> Inspection:
    """Returns what a person should know of a loaded data set; reads every example once.

    Of a set that is read from disk while a model is trained, it reads 256 MB of each split.
    """
    spec, splits = dataset.spec, dataset.splits
    counts: dict[str, tuple[int, ...]] = {}
    if are_classes(splits["train"]["targets"], spec):
        counts = {name: _class_counts(split, spec) for name, split in splits.items()}
    sizes = {name: examples(split) for name, split in splits.items()}
    if dataset.streamed:
        splits = {name: _in_memory(split) for name, split in splits.items()}
        dataset = dataclasses.replace(dataset, splits=splits)
    warnings = [
        *_about_looked_at(sizes, splits),
        *_about_classes(counts, spec),
        *_about_constants(splits["train"], spec),
        *_about_duplicates(splits),
    ]
    target = _of_targets(splits["train"]["targets"])
    return Inspection(sizes, counts, _of_inputs(dataset), target, tuple(warnings))


def inspect_several(dataset: Dataset) -> tuple[dict[str, Inspection], tuple[str, ...]]:
    """Returns what is found of each of several inputs and targets, by its name, and what looks wrong in any of them.

    A single target beside several inputs is named ``target``, and a single input ``inputs``. An example occurs twice
    where all of its inputs do.
    """
    found, warnings = dict[str, Inspection](), list[str]()
    inputs = dataset.spec.inputs or (("", dataset.spec),)
    for name, spec in inputs:
        viewed = of_view(dataset, name, None, spec)
        found[name or "inputs"] = Inspection({}, {}, _of_inputs(viewed), (), ())
        warnings += [f"{name or 'inputs'}: {line}" for line in _about_constants(viewed.splits["train"], spec)]
    for name, spec in dataset.spec.targets or (("", dataset.spec),):
        viewed, counts = of_view(dataset, spec.of_input, name, spec), dict[str, tuple[int, ...]]()
        if are_classes(viewed.splits["train"]["targets"], spec):
            counts = {split: _class_counts(arrays, spec) for split, arrays in viewed.splits.items()}
        of_target = Inspection({}, counts, (), _of_targets(viewed.splits["train"]["targets"]), ())
        found[name or "target"] = of_target
        warnings += [f"{name or 'target'}: {line}" for line in _about_classes(counts, spec)]
    views = [of_view(dataset, name, None, spec).splits for name, spec in inputs]
    contents = {
        split: [b"".join(parts) for parts in zip(*(_contents(each[split]) for each in views), strict=True)]
        for split in dataset.splits
    }
    train = dataset.splits["train"]
    labels = [np.asarray(array) for key, array in train.items() if key.partition("/")[0] == "targets"]
    warnings += _about_equal(contents, labels)
    return found, tuple(warnings)


def _of_targets(targets: np.ndarray) -> tuple[Feature, ...]:
    """Returns the statistics of numbers to predict; none for others."""
    if targets.dtype.kind != "f":
        return ()
    values = targets.reshape(-1, targets.shape[-1] if targets.ndim > 1 else 1)
    return _features(values, tuple(map(str, range(values.shape[-1]))) if values.shape[-1] > 1 else ("target",))


def _in_memory(split: Split) -> Split:
    """Returns a split, or of one that is read from disk so many evenly spread examples as are quickly looked at."""
    bytes_each = [math.prod(array.shape[1:]) * array.dtype.itemsize for array in split.values() if is_streamed(array)]
    if not bytes_each:
        return split
    numbers = np.arange(0, examples(split), -(-examples(split) * sum(bytes_each) // _MOST_BYTES))
    return {name: np.asarray(array[numbers]) for name, array in split.items()}


def _about_looked_at(sizes: Mapping[str, int], splits: Mapping[str, Split]) -> Iterator[str]:
    looked_at = {name: examples(split) for name, split in splits.items()}
    if looked_at != sizes:
        counts = ", ".join(f"{count:,} of {sizes[name]:,} of {name}" for name, count in looked_at.items())
        yield f"what follows is of some examples, evenly spread, since they are read from disk: {counts}."


def feature_names(spec: Spec) -> tuple[str, ...]:
    """Returns the names of the inputs along the last axis, such as ``width`` or ``colour=red``."""
    if not spec.columns:
        return tuple(map(str, range(spec.input_shape[-1] if spec.input_shape else 1)))
    names: list[str] = []
    for column in spec.columns:
        each = [column.name] if column.categories is None else [f"{column.name}={text}" for text in column.categories]
        names.extend([*each, f"{column.name} is missing"] if column.missing else each)
    return tuple(names)


def _of_inputs(dataset: Dataset) -> tuple[Feature, ...]:
    spec, inputs = dataset.spec, dataset.splits["train"]["inputs"]
    if spec.preprocess.cast == "none":
        return ()
    if spec.rate:
        return _of_sounds(dataset)
    names, rows = feature_names(spec), inputs.reshape(-1, inputs.shape[-1] if inputs.ndim > 1 else 1)
    return _features(rows, names, spec.preprocess.scale)


def _of_sounds(dataset: Dataset) -> tuple[Feature, ...]:
    train, spec = dataset.splits["train"], dataset.spec
    valid = train["inputs"][np.arange(spec.input_shape[0]) < train["lengths"][:, None]]
    return (
        *_features(train["lengths"][:, None], ("seconds",), 1 / spec.rate),
        *_features(valid[:, None], ("samples",), spec.preprocess.scale),
    )


def _features(rows: np.ndarray, names: Sequence[str], scale: float = 1.0) -> tuple[Feature, ...]:
    missing = np.isnan(rows).mean(0) if rows.dtype.kind == "f" else np.zeros(rows.shape[-1])
    known = rows[:, missing < 1]
    least, most = np.full(len(missing), np.nan), np.full(len(missing), np.nan)
    least[missing < 1], most[missing < 1] = np.nanmin(known, 0), np.nanmax(known, 0)
    means, deviations = mean_and_deviation(rows)
    constant = least == most
    deviation = np.where(constant, 0, deviations)
    columns = zip(
        names, least * scale, np.multiply(means, scale), deviation * scale, most * scale, missing, strict=True
    )
    return tuple(Feature(name, *map(float, numbers)) for name, *numbers in columns)


def _class_counts(split: Split, spec: Spec) -> tuple[int, ...]:
    labels = split["targets"]
    counts = steps_that_count(split)
    if counts is not None:
        labels = labels[counts]
    valid = labels[(labels >= 0) & (labels != spec.ignore_index)]
    return tuple(map(int, np.bincount(valid.reshape(-1), minlength=spec.outputs)))


def _about_classes(counts: Mapping[str, Sequence[int]], spec: Spec) -> Iterator[str]:
    if spec.coding is not None and spec.coding.following:
        return  # a language has rare words
    names = spec.class_names or tuple(map(str, range(spec.outputs)))
    for split, of_split in counts.items():
        absent = [name for name, count in zip(names, of_split, strict=True) if not count]
        if absent:
            verb = "does" if len(absent) == 1 else "do"
            yield f"{len(absent)} of the {len(names)} classes {verb} not occur in {split}: {_some(absent)}."
    train = counts.get("train", ())
    what = "examples" if not spec.target_shape else "steps" if len(spec.target_shape) == 1 else "pixels"
    if train and min(train) and max(train) >= 10 * min(train):
        rarest, commonest = names[train.index(min(train))], names[train.index(max(train))]
        yield (
            f"the classes of train are not balanced: {commonest!r} has {max(train):,} {what} and {rarest!r} "
            f"{min(train):,}; accuracy hides rare classes, and --metrics=f1,confusion shows them."
        )


def _about_constants(train: Split, spec: Spec) -> Iterator[str]:
    inputs = train["inputs"]
    if spec.rate:
        silent = int((~inputs.any(1)).sum())
        if silent:
            verb = "is" if silent == 1 else "are"
            yield f"{silent:,} of {len(inputs):,} train sounds {verb} silent: all samples are 0."
        return
    if spec.preprocess.cast == "none" or len(inputs) < 2:
        return
    if spec.windows is not None:  # a column is one input, whatever the step
        inputs = inputs.reshape(-1, inputs.shape[-1])
    constant = np.atleast_1d(np.fmin.reduce(inputs) == np.fmax.reduce(inputs))  # these two leave NaN out
    count = int(constant.sum())
    if not count:
        return
    named = [name for name, each in zip(feature_names(spec), constant, strict=True) if each] if spec.columns else []
    verb = "is" if count == 1 else "are"
    yield f"{count:,} of the {constant.size:,} inputs {verb} constant in train{': ' * bool(named)}{_some(named)}."


def _about_duplicates(splits: Mapping[str, Split]) -> Iterator[str]:
    """Yields what examples occur twice, by the bytes of their inputs: within train, and in two splits."""
    contents = {name: _contents(splits[name]) for name in ("train", "validation", "test") if name in splits}
    yield from _about_equal(contents, [splits["train"]["targets"]])


def _about_equal(contents: Mapping[str, Sequence[bytes]], labels: Sequence[np.ndarray]) -> Iterator[str]:
    """Yields what examples occur twice.

    Args:
        contents: a digest of each example by split.
        labels: the targets of train, (examples, ...) each.
    """
    train = contents["train"]
    first: dict[bytes, int] = {}
    again = [
        (number, before)
        for number, content in enumerate(train)
        if (before := first.setdefault(content, number)) != number
    ]
    if again:
        number, before = again[0]
        yield (
            f"{len(again):,} of {len(train):,} train examples {'has' if len(again) == 1 else 'have'} the inputs of an "
            f"earlier one: train[{number}] is train[{before}]."
        )
    contrary = [pair for pair in again if not all(np.array_equal(array[pair[0]], array[pair[1]]) for array in labels)]
    if contrary:
        number, before = contrary[0]
        verb = "has" if len(contrary) == 1 else "have"
        yield (
            f"{len(contrary):,} of these {verb} another target than the earlier one: train[{number}] and "
            f"train[{before}]."
        )
    seen = {content: ("train", number) for content, number in first.items()}
    for name in ("validation", "test"):
        of_split = contents.get(name, ())
        found = [(number, seen[content]) for number, content in enumerate(of_split) if content in seen]
        if found:
            number, (other, place) = found[0]
            yield (
                f"{len(found):,} of {len(of_split):,} {name} examples also occur in an earlier split, so "
                f"figures of {name} are too good: {name}[{number}] is {other}[{place}]."
            )
        seen |= {content: (name, n) for n, content in enumerate(of_split)}


def _contents(split: Split) -> list[bytes]:
    """Returns a digest of the inputs of each example, with its length."""
    inputs = np.ascontiguousarray(split["inputs"])
    lengths = split.get("lengths", np.zeros(len(inputs), np.int32))
    return [
        hashlib.blake2b(row.tobytes() + int(length).to_bytes(4, "little"), digest_size=16).digest()
        for row, length in zip(inputs, lengths, strict=True)
    ]


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
