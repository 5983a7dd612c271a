"""Makes a data set of tables: which columns are inputs, what is predicted, and what follows from train."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from jaxdl.data.columns import Missing, as_float32, column_of, counts_rows, encode, input_names, numbers
from jaxdl.data.frames import Frame, Numbers, Texts, listed
from jaxdl.data.preprocess import Preprocess
from jaxdl.data.spec import GROUPS, Column, Dataset, Spec, fingerprint
from jaxdl.data.statistics import mean_and_deviation, with_standard_targets
from jaxdl.data.targets import Task, classes_of, present, says, targets_of
from jaxdl.errors import UserError

Notify = Callable[[str], None]


@dataclass(frozen=True)
class Choice:
    """What is made of the columns of a table; see the fields of `jaxdl.Table`."""

    target: str = ""
    task: Task = "auto"
    columns: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    missing: Missing = "refuse"
    group: str = ""
    weights: str = ""


def dataset_of(frames: Mapping[str, Frame], choice: Choice, name: str, notify: Notify) -> Dataset:
    """Returns the data set of tables, one for each split; kinds of columns, categories and classes are those of train.

    Args:
        frames: by split; ``"train"`` is there.
        choice: what is made of the columns.
        name: of the set.
        notify: called with lines that say what was found.

    Raises:
        UserError: the columns do not fit the choice, or the splits do not fit each other.
    """
    train = frames["train"]
    _check_choice(train, choice)
    target = choice.target or [name for name in train.arrays if name not in (choice.group, choice.weights)][-1]
    names = input_names(train, choice.columns, (target, choice.group, choice.weights))
    classes = classes_of(train, target, choice.task)
    columns = _columns(train, names, choice, notify)
    fill = choice.missing != "refuse"
    splits: dict[str, dict[str, np.ndarray]] = {}
    for split, frame in frames.items():
        frame.check_names((*(column.name for column in columns), target), f"columns of {train.name}")
        encoded = encode(frame, columns, fill)
        splits[split] = {"inputs": encoded.inputs, "targets": targets_of(frame, target, classes)}
        if choice.weights:
            splits[split]["weights"] = _weights(frame, choice.weights)
    if choice.group:
        splits["train"][GROUPS] = _groups(train, choice.group)
    size = sum(column.inputs for column in columns)
    texts = [column for column in columns if column.categories is not None]
    notify(
        f"{name}: {train.rows:,} rows{' to train on' if len(frames) > 1 else ''}; {len(columns) - len(texts)} columns "
        f"of numbers and {len(texts)} of categories make {size} inputs."
    )
    if not choice.target or choice.task == "auto":
        notify(says(target, classes, not choice.target, choice.task == "auto"))
    spec = Spec((size,), "float32", Preprocess(fill=fill), (), len(classes) or 1, classes, columns=columns)
    arrays = [splits.get(split) for split in ("train", "test", "validation")]
    assert arrays[0] is not None
    return Dataset(
        spec=spec,
        splits=splits,
        requested=name,
        used=name,
        fingerprint=fingerprint(arrays[0], arrays[1], arrays[2]),
        train_examples=train.rows,
    )


def _check_choice(train: Frame, choice: Choice) -> None:
    named = {field: getattr(choice, field) for field in ("target", "group", "weights") if getattr(choice, field)}
    for field, name in named.items():
        train.check_names((name,), f"data.{field}")
        if list(named.values()).count(name) > 1:
            both = " and ".join(f"data.{each}" for each, other in named.items() if other == name)
            raise UserError(f"{both} are both {name!r}; a column is one or the other.")
    train.check_names(choice.categories, "data.categories")
    if len(train.arrays) < 2 + bool(choice.group) + bool(choice.weights):
        raise UserError(
            f"{train.name} has only the column {listed(train.arrays)}; a table has one or more for inputs and one for "
            "the target. Columns are separated by a comma, a semicolon or a tab."
        )


def _columns(train: Frame, names: list[str], choice: Choice, notify: Notify) -> tuple[Column, ...]:
    """Returns what becomes inputs, without columns that only count the rows."""
    columns, counts = [], []
    for name in names:
        named = name in choice.categories
        column = train.column(name, texts=named)
        _check_missing(train, name, column, choice.missing)
        if counts_rows(column) and name not in choice.columns:
            counts.append(name)
        else:
            columns.append(column_of(train, name, column, choice.missing, named))
    if train.unnamed:
        notify(f"{train.name}: {train.unnamed} of its columns have no name; they are left out.")
    if counts:
        notify(
            f"{train.name}: {listed(counts)} only counts the rows, which would tell their order; it is left out. "
            "--data.columns names the columns to take."
        )
    if not columns:
        raise UserError(f"{train.name}: no column is left for inputs.")
    return tuple(columns)


def _check_missing(train: Frame, name: str, column: Numbers | Texts, missing: Missing) -> None:
    """Raises `UserError` for missing texts where only missing numbers are allowed."""
    if missing == "mean" and isinstance(column, Texts) and column.missing.any():
        row, count = int(column.missing.argmax()), int(column.missing.sum())
        raise UserError(
            f"{train.where(row, name)}: the value is missing, as {count:,} of {train.rows:,} are, and texts have no "
            f"mean: --data.missing=category makes it an input of its own, --data.columns=-{name} leaves the column out."
        )


def _groups(train: Frame, name: str) -> np.ndarray:
    """Returns the number of each row's group, (rows,) int64."""
    column = present(train, name, "the group")
    codes = column.codes if isinstance(column, Texts) else np.unique(column.values, return_inverse=True)[1]
    if codes.max() == 0:
        raise UserError(f"{train.name}: data.group={name}: all rows are of one group, which cannot be cut.")
    return codes.astype(np.int64)


def _weights(frame: Frame, name: str) -> np.ndarray:
    """Returns how much each row counts, (rows,) float32; 1 in a table without such a column."""
    if name not in frame.arrays:
        return np.ones(frame.rows, np.float32)
    weights = as_float32(frame, name, numbers(frame, name, present(frame, name, "the weight")))
    if weights.min() < 0:
        row = int((weights < 0).argmax())
        raise UserError(f"{frame.where(row, name)}: the weight {weights[row]:g} is negative; give 0 or more.")
    return weights


def fitted(dataset: Dataset, standardize: bool, notify: Notify) -> Dataset:
    """Returns the set with what follows from train, now that validation and test are cut from it.

    Inputs that are equal in all rows of train are left out: nothing can be learned from them. So are categories that
    train does not have: rows of other splits with such a category have 0 in all its inputs, and are counted. Means and
    deviations of numbers go into the spec; inputs that are 0 or 1 for a category stay so.
    """
    train = dataset.splits["train"]["inputs"]
    columns, kept = _varying(dataset.spec.columns, train)
    without = [column.name for column in dataset.spec.columns if column.name not in {each.name for each in columns}]
    if not columns:
        raise UserError(f"{dataset.used}: all inputs are the same in every row of train; there is nothing to learn.")
    if without:
        notify(f"{dataset.used}: {listed(without)}: the same in every row of train, so left out.")
    spec = dataclasses.replace(dataset.spec, columns=columns)
    splits = {name: dict(split) for name, split in dataset.splits.items()}
    if not kept.all():
        for split in splits.values():
            split["inputs"] = np.ascontiguousarray(split["inputs"][:, kept])
        spec = dataclasses.replace(spec, input_shape=(int(kept.sum()),))
    for name, split in splits.items():
        _say_unknown(split["inputs"], columns, f"the {name} split of {dataset.used}", notify)
    if standardize:
        spec = dataclasses.replace(spec, preprocess=_standard(spec, splits["train"]["inputs"]))
    dataset = dataclasses.replace(dataset, spec=spec, splits=splits)
    return with_standard_targets(dataset) if standardize else dataset


def _varying(columns: tuple[Column, ...], train: np.ndarray) -> tuple[tuple[Column, ...], np.ndarray]:
    """Returns the columns of which an input varies in train, with the categories that occur there, and their inputs."""
    with np.errstate(invalid="ignore"):
        low, high = np.fmin.reduce(train, 0), np.fmax.reduce(train, 0)
    varies = low < high  # False for a column of NaN
    left: list[Column] = []
    kept = np.zeros(train.shape[1], bool)
    first = 0
    for column in columns:
        own = slice(first, first + column.inputs)
        first += column.inputs
        if not varies[own].any():
            continue
        flag = column.missing and bool(high[own][-1] > 0)
        if column.categories is None:
            kept[own] = [True, flag][: column.inputs]
            left.append(Column(column.name, None, flag))
        else:
            occurs = high[own][: len(column.categories)] > 0
            kept[own] = [*occurs, flag][: column.inputs]
            names = tuple(text for text, there in zip(column.categories, occurs, strict=True) if there)
            left.append(Column(column.name, names, flag))
    return tuple(left), kept


def _say_unknown(values: np.ndarray, columns: tuple[Column, ...], where: str, notify: Notify) -> None:
    first = 0
    for column in columns:
        own = values[:, first : first + column.inputs]
        first += column.inputs
        unknown = 0 if column.categories is None else int((own == 0).all(1).sum())
        if unknown:
            notify(
                f"{where}: {unknown:,} rows have a value of {column.name!r} that does not occur in train; all inputs "
                "for its categories are 0 there."
            )


def _standard(spec: Spec, train: np.ndarray) -> Preprocess:
    """Returns the preprocessing with the means and deviations of numbers; 0 and 1 stay as they are."""
    are_numbers = np.zeros(train.shape[1], bool)
    first = 0
    for column in spec.columns:
        are_numbers[first] = column.categories is None
        first += column.inputs
    mean, deviation = np.zeros(train.shape[1]), np.ones(train.shape[1])
    if are_numbers.any():
        mean[are_numbers], deviation[are_numbers] = mean_and_deviation(train[:, are_numbers])
    return dataclasses.replace(spec.preprocess, mean=tuple(mean.tolist()), deviation=tuple(deviation.tolist()))
