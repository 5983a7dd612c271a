"""A data set that its user holds in memory: NumPy or JAX arrays, or lists of arrays of different lengths."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import ArrayLike

from jaxdl.data.lengths import are_apart, pad_alike, pad_answers, without_axis_of_one
from jaxdl.data.preprocess import Preprocess
from jaxdl.data.source import Data, Notify
from jaxdl.data.spec import ARRAYS, Dataset, Spec, Split, check_names, examples, fingerprint, split_sha256
from jaxdl.data.statistics import with_standard_targets
from jaxdl.data.stream import is_streamed
from jaxdl.errors import UserError
from jaxdl.fields import above_zero, described, static

if TYPE_CHECKING:
    Values = ArrayLike | Sequence[ArrayLike]
    Examples = tuple[Values, Values] | Mapping[str, Values] | str
else:
    Examples = str  # what the fields hold: see `_Held`

# More classes than this are taken for numbers to be predicted, unless the user says otherwise.
_MOST_CLASSES = 10_000


class _Held(str):
    """The SHA-256 of a split's arrays, as the value of a field, and the arrays themselves.

    A field shows, compares and stores it as text, so a config never has the numbers.
    """

    arrays: Split


@described
@dataclasses.dataclass(frozen=True, kw_only=True)
class OfArrays(Data):
    """A source whose examples are its user's arrays, wherever these come from."""

    scale: float | None = static(
        None,
        "factor for the inputs inside the compiled step; none: 1/255 for images of 8 bits, otherwise 1",
    )
    ids: bool = static(
        False,
        "whether integer inputs are ids, such as those of words, which stay integers; of several inputs, those with "
        "integers of more than 8 bits",
    )
    outputs: int | None = static(
        None, "number of classes, or of the model's outputs; none: as many as the targets need", check=above_zero
    )
    standardize: bool = static(
        True, "whether numbers to be predicted are standardised by the mean and deviation of train", since="0.3.0"
    )
    ignore_index: int | None = static(
        None,
        "label of steps, pixels or examples that count in no loss and no metric, such as 255; none: all count",
        since="0.3.0",
    )

    def joined(self, splits: dict[str, dict[str, np.ndarray]]) -> Dataset:
        """Returns splits, as `split_of` gives them, as a data set; train is one of them.

        Raises:
            UserError: they do not fit each other.
        """
        from jaxdl.data.sources.named_arrays import spec_of_several  # here, since it imports this module

        if any("weights" in split for split in splits.values()):
            for split in splits.values():
                split.setdefault("weights", np.ones(examples(split), np.float32))
        spec = self.united(splits) if {"inputs", "targets"} <= splits["train"].keys() else spec_of_several(self, splits)
        return Dataset(
            spec=spec,
            splits=splits,
            requested=self.requested,
            used=self.requested,
            fingerprint=fingerprint(splits["train"], splits.get("test"), splits.get("validation")),
            train_examples=examples(splits["train"]),
        )

    def united(self, splits: dict[str, dict[str, np.ndarray]]) -> Spec:
        """Pads what has lengths, and numbers classes that are texts, in place; returns the spec."""
        if any("lengths" in split for split in splits.values()):
            pad_alike(splits)
        if any("target_lengths" in split for split in splits.values()):
            pad_answers(splits)
        _check_alike(splits)
        return self._spec(splits, _classes(splits))

    def fitted(self, dataset: Dataset, notify: Notify) -> Dataset:
        return with_standard_targets(dataset) if self.standardize else dataset

    def _spec(self, splits: Mapping[str, Split], names: tuple[str, ...]) -> Spec:
        inputs, targets = splits["train"]["inputs"], splits["train"]["targets"]
        outputs, classes = self._outputs(splits, names)
        if self.ids and inputs.dtype.kind not in "iu":
            raise UserError(f"data.ids=true: ids are integers, but the inputs are {inputs.dtype}.")
        image = inputs.dtype == np.uint8 and inputs.ndim == 4
        scale = self.scale if self.scale is not None else 1 / 255 if image else 1.0
        preprocess = Preprocess(cast="none") if self.ids else Preprocess(scale=scale)
        ignored = self.ignore_index if classes else None
        return Spec(
            inputs.shape[1:], str(inputs.dtype), preprocess, targets.shape[1:], outputs, classes, ignore_index=ignored
        )

    def _outputs(self, splits: Mapping[str, Split], names: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
        """Returns the size of the model's last axis, and the names of the classes, empty if there are none."""
        inputs, targets = splits["train"]["inputs"], splits["train"]["targets"]
        if names:
            return max(self.outputs or 0, len(names)), names
        sequences = self.ids or inputs.ndim > 2
        per_step = targets.ndim == 2 and sequences and inputs.shape[1:2] == targets.shape[1:]
        per_step |= "target_lengths" in splits["train"]
        per_pixel = inputs.ndim == 4 and targets.shape == inputs.shape[:3]
        if targets.dtype.kind not in "iu" or (targets.ndim > 1 and not per_step and not per_pixel):
            return self.outputs or (targets.shape[-1] if targets.ndim > 1 else 1), ()
        if self.outputs is not None:
            return self.outputs, tuple(map(str, range(self.outputs))) if 1 < self.outputs <= _MOST_CLASSES else ()
        labels = np.concatenate([split["targets"].reshape(-1) for split in splits.values()])
        labels = labels if self.ignore_index is None else labels[labels != self.ignore_index]
        if not labels.size:
            raise UserError(f"data.ignore_index={self.ignore_index}: every target is this label.")
        least, most = int(labels.min()), int(labels.max())
        if most >= _MOST_CLASSES:
            raise UserError(
                f"targets go up to {most:,}: give floating-point targets for a regression, or "
                f"Arrays(outputs={most + 1}) for as many classes."
            )
        if least == 1:
            raise UserError(
                f"labels begin at 1 and end at {most}, but classes are counted from 0: subtract 1, or give "
                f"Arrays(outputs={most + 1}) if class 0 just does not occur."
            )
        return most + 1, tuple(map(str, range(most + 1)))


@final
@described
@dataclasses.dataclass(frozen=True)
class Arrays(OfArrays):
    """Arrays of your own: ``Arrays(train=(inputs, targets), test=(inputs, targets))``.

    Each split is a pair, or a mapping with the names ``inputs``, ``targets`` and, for padded sequences, ``lengths``
    (and ``target_lengths``, where the targets have steps of their own); ``weights``, (examples,) numbers of at least 0,
    say how much each example counts. In a split without them, where the other has some, each counts 1.
    Inputs are (examples, ...) numbers; 64-bit ones are stored in 32 bits. A list of arrays (time, ...) of different
    lengths is padded with zeros, and its lengths are used wherever a model or a loss reads steps. Targets are:

    - (examples,) integers from 0, or texts: classes; the texts are their names;
    - (examples, time) integers, for inputs with as many steps: a class for each step;
    - (examples, time) integers with ``target_lengths``, or a list of (time,) integers, for inputs with other steps: the
      classes of an answer, as `Seq2Seq` gives it;
    - (examples, height, width) integers, for images of that size: a class for each pixel;
    - (examples, questions) other integers or booleans: yes-no questions, for `SigmoidCrossEntropy`;
    - (examples,) or (examples, values) floating-point numbers: values, for a regression. They are standardised by the
      mean and deviation of train inside the compiled step; predictions and metrics are in their own unit.

    Several inputs or targets are dictionaries by their names: ``({"image": x, "table": t}, y)``. The model is called
    with the inputs as keyword arguments, and returns a dictionary of outputs where targets have names. ``lengths`` and
    ``target_lengths`` are then dictionaries, too.

    The config of an experiment has only a digest of each split: to resume or evaluate a run, give the arrays again.

    Raises:
        UserError: the arrays of a split do not fit each other.
    """

    train: Examples = static("", "the examples to train and validate on; as text: their digest")
    test: Examples = static("", "the examples to test on; as text: their digest")
    validate_on: Examples = static(
        "", "the examples to validate on, in place of a share of train; as text: their digest", since="0.3.0"
    )

    def __post_init__(self) -> None:
        for name in ("train", "test", "validate_on"):
            given = getattr(self, name)
            if not isinstance(given, str):
                object.__setattr__(self, name, _held(name, given))

    @property
    def requested(self) -> str:
        return "arrays"

    def spec(self, data_dir: Path) -> Spec:
        return self.read(data_dir, print).spec

    def known_examples(self, data_dir: Path) -> int:
        return sum(map(examples, self.read(data_dir, print).splits.values()))

    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        """Returns the arrays with equal padding, and class numbers for texts.

        Raises:
            UserError: there are no arrays, train and test do not fit each other, or an array was changed meanwhile.
        """
        given = {"train": "train", "test": "test"} | ({"validation": "validate_on"} if self.validate_on else {})
        return self.joined({name: dict(_arrays(field, getattr(self, field))) for name, field in given.items()})


def _held(name: str, given: Any) -> _Held:
    """Returns a split's arrays as a field holds them; errors as in `split_of`."""
    split = split_of(f"Arrays({name}=...)", name, given)
    held = _Held(split_sha256(split))
    held.arrays = split
    return held


def split_of(where: str, name: str, given: Any) -> dict[str, np.ndarray]:
    """Returns a split's arrays in dtypes that JAX computes with.

    Args:
        where: what holds them, in messages.
        name: the split.
        given: a pair, or a mapping.

    Raises:
        UserError: they are not a pair or a mapping of arrays with one entry for each example.
    """
    if isinstance(given, Mapping):
        values = dict(given)
    elif isinstance(given, Sequence) and len(given) == 2:
        values = {"inputs": given[0], "targets": given[1]}
    else:
        raise UserError(f"{where}: give a pair (inputs, targets) or a mapping of these names to arrays.")
    check_names(values, where)
    if any(isinstance(values[key], Mapping) for key in ("inputs", "targets")):
        from jaxdl.data.sources.named_arrays import split_of_several  # here, since it imports this module

        return split_of_several(where, name, values)
    split: dict[str, np.ndarray] = {}
    for key in ("inputs", "targets"):
        split[key], lengths = _array(f"{name} {key}", values[key])
        if key == "inputs" and split[key].dtype.kind == "U":
            raise UserError(f"{where}: inputs are texts; a model reads numbers, such as ids of words.")
        if key == "targets" and split[key].dtype.kind in "iu":
            split[key] = without_axis_of_one(split[key].astype(np.int32), split["inputs"])
        if lengths is not None and key == "targets" and are_apart(split, lengths):
            split["target_lengths"] = lengths
        elif lengths is not None and "lengths" not in values:
            split.setdefault("lengths", lengths)
    for key in ("lengths", "target_lengths"):
        if key in values:
            split[key], _ = _array(f"{name} {key}", values[key])
    if "weights" in values:
        split["weights"] = _weights(f"{name} weights", values["weights"])
    for key, array in split.items():
        if not array.ndim or len(array) != len(split["inputs"]):
            raise UserError(
                f"{where}: {key} of shape {array.shape} does not have one entry for each of the "
                f"{len(split['inputs']) if split['inputs'].ndim else 0} examples."
            )
    return split


def _weights(what: str, values: Any) -> np.ndarray:
    """Returns weights in float32; `jaxdl.data.check` checks their shape and values."""
    weights, _ = _array(what, values)
    if weights.dtype.kind == "U":
        raise UserError(f"{what}: weights are numbers, one for each example, not texts.")
    return weights.astype(np.float32)


def _array(what: str, values: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns values as one array of numbers or texts, and (examples,) int32 lengths where they had to be padded."""
    if is_streamed(values):
        return values, None
    lengths = None
    if isinstance(values, list | tuple) and len({np.shape(each)[:1] for each in values}) > 1:
        rows = [np.asarray(each) for each in values]
        if len({row.shape[1:] for row in rows}) > 1 or not all(row.ndim for row in rows):
            raise UserError(
                f"{what}: a list of arrays needs arrays of shape (time, ...) that differ only in their time."
            )
        lengths = np.array([len(row) for row in rows], np.int32)
        dtype = np.result_type(*(row.dtype for row in rows if len(row)))
        array = np.zeros((len(rows), lengths.max(), *rows[0].shape[1:]), dtype)
        for row, padded in zip(rows, array, strict=True):
            padded[: len(row)] = row
    else:
        array = np.asarray(values)
    if array.dtype.name == "bfloat16":  # JAX's; NumPy itself has no such type
        array = array.astype(np.float32)
    if array.dtype.kind == "O" and all(isinstance(each, str) for each in array.flat):
        array = array.astype(str)
    if array.dtype.kind not in "biufU":
        raise UserError(f"{what}: an array of {array.dtype} cannot be used; give numbers, or texts as class labels.")
    return small(what, array), lengths


def small(what: str, array: np.ndarray) -> np.ndarray:
    """Returns an array in a dtype that JAX computes with: of 32 bits, where it has 64."""
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype == np.float64 or array.dtype == np.longdouble:
        with np.errstate(over="ignore"):
            small = array.astype(np.float32)
        if array.size and np.isfinite(array).all() and not np.isfinite(small).all():
            raise UserError(f"{what}: numbers up to {np.abs(array).max():.3g} do not fit into float32; scale them.")
        return small
    if array.dtype in (np.int64, np.uint64, np.uint32):
        if array.size and (array.min() < -(2**31) or array.max() >= 2**31):
            raise UserError(f"{what}: integers from {array.min()} to {array.max()} do not fit into 32 bits.")
        return array.astype(np.int32)
    return array


def _arrays(name: str, held: str) -> Split:
    if not isinstance(held, _Held):
        raise UserError(
            f"Arrays({name}=...): there are no arrays"
            + (
                ", a config has only their digest; give the experiment with the same arrays, for the command line with "
                "--experiment=FILE.py, or as a file, --data=arrays:FILE.npz."
                if held
                else "; give (inputs, targets)."
            )
        )
    if split_sha256(held.arrays) != held:
        raise UserError(f"Arrays({name}=...): an array was changed after it was given; make the Arrays again.")
    return held.arrays


def _check_alike(splits: Mapping[str, Split]) -> None:
    for key in ARRAYS:
        found = {name: split[key] for name, split in splits.items() if key in split}
        kinds = {(array.shape[1:], "text" if array.dtype.kind == "U" else str(array.dtype)) for array in found.values()}
        if len(kinds) > 1:
            listed = " and ".join(f"{name} has {a.dtype} of shape {a.shape}" for name, a in found.items())
            raise UserError(f"Arrays: the {key} of the splits differ: {listed}.")


def _classes(splits: dict[str, dict[str, np.ndarray]]) -> tuple[str, ...]:
    """Replaces texts in the targets by class numbers, in alphabetical order; returns the names, () without texts."""
    if splits["train"]["targets"].dtype.kind != "U":
        return ()
    names = np.unique(np.concatenate([split["targets"].reshape(-1) for split in splits.values()]))
    for split in splits.values():
        split["targets"] = np.searchsorted(names, split["targets"]).astype(np.int32)
    return tuple(map(str, names))
