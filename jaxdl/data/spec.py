"""Describes one example, and a loaded data set."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from jaxdl.data.lengths import checked_lengths
from jaxdl.data.named import spec_of_views
from jaxdl.data.preprocess import Preprocess
from jaxdl.data.stream import blocks, is_streamed, parts, remembered
from jaxdl.data.texts.coding import TextCoding
from jaxdl.data.times import Unit
from jaxdl.data.trees.encoding import TreeFormat
from jaxdl.errors import UserError

if TYPE_CHECKING:
    from jaxdl.data.folds import Rows

Split = Mapping[str, np.ndarray]
# The arrays that a split may have; training reads no others.
ARRAYS = ("inputs", "targets", "lengths", "weights", "target_lengths")
# The class with which answers end that have lengths of their own, where a source names one.
END = "<end>"
# One more that a source may give, by which its examples are cut into splits; it is gone after that.
GROUPS = "groups"


Fit = Literal["stretch", "crop", "pad"]


@dataclass(frozen=True)
class Column:
    """A column of a table, as it becomes inputs of a model.

    Attributes:
        name: its name in the table.
        categories: the texts for which it has one input each, 1 for the row's own and 0 for the others, in this order;
            None for a column of numbers, which is one input.
        missing: whether it has one more input after these, 1 for rows without a value and 0 for the others.
    """

    name: str
    categories: tuple[str, ...] | None = None
    missing: bool = False

    @property
    def inputs(self) -> int:
        """The number of its inputs."""
        return (1 if self.categories is None else len(self.categories)) + self.missing

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Column:
        """Rebuilds it from the JSON form of `dataclasses.asdict`, in which tuples have become lists."""
        categories = fields["categories"]
        return cls(**{**fields, "categories": None if categories is None else tuple(categories)})


Gaps = Literal["refuse", "skip", "ignore"]


@dataclass(frozen=True)
class Windows:
    """How examples are cut from the rows of a series, for a trained model.

    Attributes:
        horizon: number of steps ahead that are predicted.
        time: name of the column of times; empty: none.
        step: difference of the times of two rows, in `unit`; 0 without times.
        unit: of the step.
        gaps: what is done about gaps, see `jaxdl.Series`.
    """

    horizon: int
    time: str = ""
    step: int = 0
    unit: Unit = "numbers"
    gaps: Gaps = "refuse"

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Windows:
        """Rebuilds it from the JSON form of `dataclasses.asdict`."""
        return cls(**fields)


@dataclass(frozen=True)
class Spec:
    """What one example of a data set is.

    Attributes:
        input_shape: shape of one example's inputs, as stored.
        input_dtype: dtype of the inputs as stored, such as ``"uint8"``.
        preprocess: converts stored inputs to the model's inputs, inside the compiled step.
        target_shape: ``()`` for one label for each example, ``(time,)`` for one for each step.
        outputs: size of the model's last axis: the number of classes, or 1 for binary and scalar targets.
        class_names: one for each class; empty if there are none.
        best_loss: smallest expected loss that any model can reach, in nats; None if the source does not know it.
        lengths: whether the examples are sequences of which only the first steps count; a `Dataset` sets it.
        target_lengths: whether the targets are sequences with lengths of their own, (time,), apart from those of the
            inputs, as the answers of a sequence-to-sequence model; a `Dataset` sets it.
        vocabulary: number of ids, which are from 0 to below it, for inputs that are ids; 0 for others. A `Dataset`
            raises it to what its examples need.
        target: standardises numbers to be predicted, with the mean and deviation of train. An objective of numbers
            compares outputs with standardised targets; predictions and metrics are in the targets' own unit.
        fit: how an image of another size is brought to `input_shape`, see `jaxdl.data.images.load_image`.
        columns: what the inputs are made of, if they are the rows of a table or of a series.
        coding: how texts became ids, if the examples are texts.
        rate: samples a second, if the inputs are sounds, (samples,); 0 for others.
        trees: how trees become inputs, if they are trees; see `jaxdl.data.trees.encoding.COLUMNS`.
        windows: how examples are cut from the rows of a series, if they are.
        inputs: where an example has several inputs, the spec of each by its name; what is above is then that of one of
            them, which the targets belong to: `of_input`.
        targets: where it has several targets, the spec of each by its name, with the facts of the input that it belongs
            to; what is above is then that of the first.
        of_input: name of the input that the targets belong to, whose steps or pixels theirs are.
        ignore_index: the label of steps, pixels or examples that count in no loss and no metric; None: all count.
        id_names: what each id stands for, to be read by a person, where inputs are ids that no text's coding made.
    """

    input_shape: tuple[int, ...]
    input_dtype: str
    preprocess: Preprocess
    target_shape: tuple[int, ...]
    outputs: int
    class_names: tuple[str, ...] = ()
    best_loss: float | None = None
    lengths: bool = False
    target: Preprocess = Preprocess()
    fit: Fit = "stretch"
    columns: tuple[Column, ...] = ()
    vocabulary: int = 0
    coding: TextCoding | None = None
    rate: int = 0
    trees: TreeFormat | None = None
    windows: Windows | None = None
    target_lengths: bool = False
    inputs: tuple[tuple[str, Spec], ...] = ()
    targets: tuple[tuple[str, Spec], ...] = ()
    of_input: str = ""
    ignore_index: int | None = None
    id_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.preprocess, Preprocess):
            raise TypeError(f"preprocess={self.preprocess!r}: give a Preprocess, such as Preprocess(scale=1 / 255).")

    @property
    def by_target(self) -> dict[str, Spec]:
        """The spec of each target by its name, which is empty for a single one."""
        return dict(self.targets) or {"": self}

    @property
    def views(self) -> list[tuple[str, str | None, Spec]]:
        """Where there are several: the name and spec of each input, and the input, name and spec of each target."""
        if not self.inputs and not self.targets:
            return []
        targets = [(spec.of_input, name, spec) for name, spec in self.by_target.items()]
        return [*((name, None, spec) for name, spec in self.inputs), *targets]

    @property
    def model_shape(self) -> tuple[int, ...]:
        """The shape of one example for the model."""
        return self.preprocess.shape(self.input_shape)

    @property
    def model_dtype(self) -> str:
        """The dtype of the model's inputs, before they are converted to the precision of the training."""
        return self.preprocess.dtype(self.input_dtype)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Spec:
        """Rebuilds a spec from the JSON form of `dataclasses.asdict`, in which tuples have become lists.

        Files of earlier versions have only a scale instead of the preprocessing.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: `values` is not the JSON form of a spec.
        """
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        earlier = {"scale": values.pop("scale")} if "scale" in values else None
        values["preprocess"] = Preprocess.from_json(earlier or values["preprocess"])
        if "target" in values:
            values["target"] = Preprocess.from_json(values["target"])
        if "columns" in values:
            values["columns"] = tuple(map(Column.from_json, values["columns"]))
        if values.get("coding") is not None:
            values["coding"] = TextCoding.from_json(values["coding"])
        if values.get("trees") is not None:
            values["trees"] = TreeFormat.from_json(values["trees"])
        if values.get("windows") is not None:
            values["windows"] = Windows.from_json(values["windows"])
        for name in ("inputs", "targets"):
            values[name] = tuple((each, cls.from_json(spec)) for each, spec in values.get(name, ()))
        return cls(**values)


@dataclass(frozen=True)
class Dataset:
    """A data set in memory.

    Attributes:
        spec: describes one example.
        splits: ``"train"``, ``"test"`` and, unless its fraction is 0, ``"validation"``. Each holds the arrays
            ``"inputs"`` (examples, *input_shape), ``"targets"`` (examples, *target_shape) and, if the source has them,
            ``"lengths"`` (examples,) integers and ``"weights"`` (examples,) float32, at least 0: how much each counts.
            Targets (examples, time) that are not those of the steps of the inputs may have ``"target_lengths"``
            (examples,) integers, the number of steps of each that count.
            Before `Data.load` has cut them there may be no ``"validation"`` and no ``"test"``, and there may be an
            array ``"groups"``, see `jaxdl.data.splits`.
        requested: name of the requested set.
        used: name of this set; differs from `requested` only when a stand-in is used.
        fingerprint: SHA-256 hex digest of the splits as stored, before any was cut from another: see `fingerprint`.
        train_examples: size of the source's own train split, before validation was split off.
        passes: passes over train that make one epoch; more than 1 only for a stand-in, which is much smaller than the
            set that the recipe was made for.
        baselines: figures of forecasts that need no model, by their name: values by ``SPLIT/METRIC``.
        in_parts: whether examples are brought to the device in parts while a model is trained, instead of all before.
            Those that are read from disk always are.
        rows: which examples of the source train and validation are, where they are one of several folds; None: they are
            not.

    Raises:
        UserError: a length is no integer from 0 to the number of steps, or only some splits have lengths, or weights.
    """

    spec: Spec
    splits: Mapping[str, Split]
    requested: str
    used: str
    fingerprint: str
    train_examples: int
    passes: int = 1
    baselines: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    in_parts: bool = False
    rows: Rows | None = None

    def __post_init__(self) -> None:
        if self.spec.views:
            _check_all_have(self.splits, "weights", self.used)
            object.__setattr__(self, "spec", spec_of_views(self))
            return
        for name, split in self.splits.items():
            if "lengths" in split:
                steps = (*self.spec.input_shape, 0)[0]
                checked_lengths(split["lengths"], examples(split), steps, f"lengths of {name}")
            if "target_lengths" in split:
                steps = (*self.spec.target_shape, 0)[0]
                checked_lengths(split["target_lengths"], examples(split), steps, f"target_lengths of {name}")
        for key in ARRAYS[2:]:
            _check_all_have(self.splits, key, self.used)
        lengths, own = (any(key in split for split in self.splits.values()) for key in ("lengths", "target_lengths"))
        vocabulary = max([self.spec.vocabulary, *map(self._ids, self.splits.values())])
        spec = dataclasses.replace(self.spec, lengths=lengths, vocabulary=vocabulary, target_lengths=own)
        object.__setattr__(self, "spec", spec)  # what follows from the examples

    def _ids(self, split: Split) -> int:
        """Returns one more than the largest id of a split; 0 if its inputs are numbers."""
        if self.spec.preprocess.cast != "none" or not split["inputs"].size:
            return 0

        def largest(inputs: np.ndarray, lengths: np.ndarray | None) -> int:
            counts = np.ones(len(inputs), bool)
            if lengths is not None:  # steps beyond them may hold anything
                counts = np.arange(inputs.shape[1]) < lengths[:, None]
            ids = inputs[counts]
            return int(ids.max()) if ids.size else -1

        read = {name: split[name] for name in ("inputs", "lengths") if name in split}
        found = remembered(
            "largest id", read, lambda: max(largest(part["inputs"], part.get("lengths")) for _, part in blocks(read))
        )
        return found + 1

    @property
    def streamed(self) -> bool:
        """Whether its examples are read from disk when a step needs them."""
        return self.in_parts or any(is_streamed(array) for split in self.splits.values() for array in split.values())

    @property
    def substituted(self) -> bool:
        """Whether a stand-in replaces the requested set."""
        return self.used != self.requested


def _check_all_have(splits: Mapping[str, Split], key: str, used: str) -> None:
    have = {name: key in split for name, split in splits.items()}
    if len(set(have.values())) > 1:
        raise UserError(f"{used}: all splits must have {key} or none, and {have} says which have them.")


def check_names(names: Iterable[str], where: str) -> None:
    """Raises `UserError` unless there are inputs and targets, and nothing that training would not read."""
    given = tuple(name.partition("/")[0] for name in names)
    for name in given:
        if name not in (*ARRAYS, GROUPS):
            raise UserError(f"{where}: training does not read {name!r}; the arrays are {', '.join(ARRAYS)}.")
    for name in ARRAYS[:2]:
        if name not in given:
            raise UserError(f"{where}: {name} are missing.")


def examples(split: Split) -> int:
    """Returns the number of examples in one split."""
    return len(next(iter(split.values())))


def fingerprint(
    train: Split,
    test: Split | None = None,
    validation: Split | None = None,
    parts: Callable[[np.ndarray], Iterable[np.ndarray]] = parts,
) -> str:
    """Returns the SHA-256 of names, shapes, dtypes and bytes of all arrays of the splits, names in sorted order.

    Args:
        train, test, validation: the splits.
        parts: goes through an array, some examples at a time.
    """
    splits = {"train": train, "test": test, "validation": validation}

    def find() -> str:
        digest = hashlib.sha256()
        for name, split in splits.items():
            if split is not None:
                _add(digest, split, f"{name}/", parts)
        return digest.hexdigest()

    arrays = {f"{name}/{key}": array for name, split in splits.items() for key, array in (split or {}).items()}
    return remembered("fingerprint", arrays, find)


def split_sha256(split: Split) -> str:
    """Returns the SHA-256 of names, shapes, dtypes and bytes of all arrays of one split, names in sorted order."""
    digest = hashlib.sha256()
    _add(digest, split, "", parts)
    return digest.hexdigest()


def _add(digest: Any, split: Split, prefix: str, parts: Callable[[np.ndarray], Iterable[np.ndarray]]) -> None:
    for key in sorted(split):
        array = split[key]
        digest.update(f"{prefix}{key} {array.shape} {array.dtype.str}\n".encode())
        for part in parts(array):
            digest.update(np.ascontiguousarray(part).data)
