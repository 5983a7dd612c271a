"""The folds of one set as selections of one set of arrays, so that one compiled program trains all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxdl.data.chunks import InParts
from jaxdl.data.folds import NEVER
from jaxdl.data.resident import Resident, put_on_device
from jaxdl.data.spec import Dataset, Spec, Split, examples

# One of several folds: what describes its examples, and which these are.
Fold = tuple[Spec, Resident | InParts]
# The parts of a spec that have means and deviations of a fold's train.
_STANDARD = ("preprocess", "target")
PREFIX = "data/"  # of their names among the numbers that enter the programs; no field has such a path


def shared(datasets: Sequence[Dataset]) -> list[Resident] | None:
    """Returns for each fold its selection of one set of arrays on the device; None where their examples differ.

    They differ where what an example is follows from train, such as the columns of a table that vary there, or the
    vocabulary of trees. Means and deviations may differ: they enter the programs as data.

    Args:
        datasets: the result of `jaxdl.data.Data.load_folds`.
    """
    if not _have_one_form(datasets):
        return None
    order, bounds = _by_fold(datasets)
    whole = _in_order(datasets, order)
    if whole is None:
        return None
    test = datasets[0].splits["test"]
    resident = put_on_device(dataclasses.replace(datasets[0], splits={"train": whole, "test": test}, rows=None))
    place = np.full(int(order.max()) + 1, NEVER, np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    rows = [dataset.rows.train for dataset in datasets if dataset.rows is not None]
    return [
        dataclasses.replace(
            resident,
            ranges={**resident.ranges, "validation": bounds[fold]},
            selected=place[rows[fold]],
            visits=max(map(len, rows)),
            statistics=statistics,
        )
        for fold, statistics in enumerate(_of_each(datasets))
    ]


def in_parts(datasets: Sequence[Dataset]) -> list[InParts] | None:
    """Returns for each fold what brings its examples to the device in parts; None where their examples differ.

    Each has its own train. It visits the examples of `shared` in the same order, and one program trains all folds.

    Args:
        datasets: the result of `jaxdl.data.Data.load_folds`.
    """
    if not _have_one_form(datasets):
        return None
    visits = max(examples(dataset.splits["train"]) for dataset in datasets)
    pairs = zip(datasets, _of_each(datasets), strict=True)
    return [InParts(dataset).as_fold(visits, statistics) for dataset, statistics in pairs]


def _have_one_form(datasets: Sequence[Dataset]) -> bool:
    """Returns whether the examples of all folds are the same but for means and deviations."""
    specs = [_without_statistics(dataset.spec) for dataset in datasets]
    return all(dataset.rows is not None for dataset in datasets) and all(spec == specs[0] for spec in specs[1:])


def _of_each(datasets: Sequence[Dataset]) -> list[dict[str, np.ndarray]]:
    """Returns means and deviations of each fold, where they differ."""
    same = all(dataset.spec == datasets[0].spec for dataset in datasets)
    return [{} if same else _statistics(dataset.spec) for dataset in datasets]


def _by_fold(datasets: Sequence[Dataset]) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Returns the numbers of all examples, those of each fold together, and where these begin and end.

    Sequences of a fold are in the order of their lengths, as in any split that is only evaluated.
    """
    parts, bounds, at = [], [], 0
    for dataset in datasets:
        assert dataset.rows is not None
        numbers = dataset.rows.validation
        lengths = dataset.splits["validation"].get("lengths")
        parts.append(numbers if lengths is None else numbers[np.argsort(lengths, kind="stable")])
        bounds.append((at, at + len(numbers)))
        at += len(numbers)
    trained = np.unique(np.concatenate([dataset.rows.train for dataset in datasets if dataset.rows is not None]))
    parts.append(np.setdiff1d(trained, np.concatenate(parts)))
    return np.concatenate(parts), bounds


def _in_order(datasets: Sequence[Dataset], order: np.ndarray) -> Split | None:
    """Returns the examples in an order of their numbers; None where two folds have an example in different forms."""
    if len(np.unique(order)) < len(order):
        return None
    made: dict[str, np.ndarray] = {}
    for dataset in datasets:
        assert dataset.rows is not None
        for split, numbers in (("train", dataset.rows.train), ("validation", dataset.rows.validation)):
            for key, array in dataset.splits[split].items():
                if key not in made:
                    made[key] = np.zeros((int(order.max()) + 1, *array.shape[1:]), array.dtype)
                if made[key].shape[1:] != array.shape[1:] or made[key].dtype != array.dtype:
                    return None
                made[key][numbers] = array
    for dataset in datasets:
        assert dataset.rows is not None
        for split, numbers in (("train", dataset.rows.train), ("validation", dataset.rows.validation)):
            if any(not _same(made[key][numbers], array) for key, array in dataset.splits[split].items()):
                return None
    tests = [dataset.splits["test"] for dataset in datasets]
    if any(not _same(tests[0][key], test[key]) for test in tests[1:] for key in test):
        return None
    assert all(examples(each) for each in (made, tests[0]))
    return {key: array[order] for key, array in made.items()}


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def _without_statistics(spec: Spec) -> Spec:
    """Returns a spec in which the numbers of means and deviations say only how many there are.

    Several inputs or targets keep theirs: each has a spec of its own, which the programs take as it is.
    """
    plain: dict[str, Any] = {
        name: dataclasses.replace(each, mean=(0.0,) * len(each.mean), deviation=(1.0,) * len(each.deviation))
        for name in _STANDARD
        for each in [getattr(spec, name)]
        if not spec.views
    }
    return dataclasses.replace(spec, **plain)


def _statistics(spec: Spec) -> dict[str, np.ndarray]:
    """Returns means and deviations as numbers that enter the programs as data, by name."""
    found = {}
    for name in _STANDARD:
        for what in ("mean", "deviation"):
            values = getattr(getattr(spec, name), what)
            if values:
                found[f"{PREFIX}{name}.{what}"] = np.asarray(values, np.float32)
    return found


def parted(hparams: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the numbers of a recipe's fields, and the means and deviations of a fold."""
    numbers = {path: value for path, value in hparams.items() if not path.startswith(PREFIX)}
    return numbers, {path: value for path, value in hparams.items() if path.startswith(PREFIX)}


def with_statistics(spec: Spec, statistics: Mapping[str, Any]) -> Spec:
    """Returns a spec whose means and deviations are arrays, also traced ones.

    Args:
        spec: describes one example.
        statistics: what `parted` found of a fold.
    """
    changes: dict[str, Any] = {}
    for name in _STANDARD:
        if f"{PREFIX}{name}.mean" in statistics:
            given = tuple(statistics[f"{PREFIX}{name}.{what}"] for what in ("mean", "deviation"))
            changes[name] = getattr(spec, name).given(*given)
    return dataclasses.replace(spec, **changes)
