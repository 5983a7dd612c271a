"""What one example is, and what a loaded data set holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxdl.data.preprocess import Preprocess

Split = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Spec:
    """What one example of a data set is.

    Attributes:
        input_shape: shape of one example's inputs, as stored.
        input_dtype: dtype of the inputs as stored, such as ``"uint8"``.
        preprocess: what makes of stored inputs those that a model reads, inside the compiled step.
        target_shape: ``()`` for one label an example, ``(time,)`` for one a step.
        outputs: size of the model's last axis: the number of classes, or 1 for binary and scalar targets.
        class_names: as many names as classes; empty where there are none.
        best_loss: smallest expected loss that any model can reach, in nats, where the source knows it.
    """

    input_shape: tuple[int, ...]
    input_dtype: str
    preprocess: Preprocess
    target_shape: tuple[int, ...]
    outputs: int
    class_names: tuple[str, ...] = ()
    best_loss: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.preprocess, Preprocess):
            raise TypeError(f"preprocess={self.preprocess!r}: give a Preprocess, such as Preprocess(scale=1 / 255).")

    @property
    def model_dtype(self) -> str:
        """The dtype of what a model reads, before it is converted to the precision of the training."""
        return self.preprocess.dtype(self.input_dtype)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Spec:
        """Makes a spec from the JSON form of `dataclasses.asdict`, in which tuples have become lists.

        In files of earlier versions the scale stood alone, in place of the preprocessing.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: it is not the JSON form of a spec.
        """
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        earlier = {"scale": values.pop("scale")} if "scale" in values else None
        return cls(**{**values, "preprocess": Preprocess.from_json(earlier or values["preprocess"])})


@dataclass(frozen=True)
class Dataset:
    """A data set in memory.

    Attributes:
        spec: what one example is.
        splits: ``"train"``, ``"test"`` and, unless none was asked for, ``"validation"``. Each holds the arrays
            ``"inputs"`` (examples, *input_shape), ``"targets"`` (examples, *target_shape) and, where a source has them,
            ``"lengths"`` (examples,) int32.
        requested: name of the set that was asked for.
        used: name of the set that this is; differs from `requested` only when a stand-in was used.
        fingerprint: sha256, in hexadecimal, of train (validation included) and test as stored: see `fingerprint`.
        train_examples: size of the source's own train split, before validation was cut from it.
        passes: passes over train that make one epoch; more than 1 only for a stand-in, which is many times smaller
            than the set whose recipe it is trained with.
    """

    spec: Spec
    splits: Mapping[str, Split]
    requested: str
    used: str
    fingerprint: str
    train_examples: int
    passes: int = 1

    @property
    def substituted(self) -> bool:
        """Whether a stand-in took the place of the set that was asked for."""
        return self.used != self.requested


def examples(split: Split) -> int:
    """Returns the number of examples in one split."""
    return len(split["inputs"])


def fingerprint(train: Split, test: Split) -> str:
    """Returns the sha256 over names, shapes, dtypes and bytes of all arrays of both splits, names in sorted order."""
    digest = hashlib.sha256()
    for name, split in (("train", train), ("test", test)):
        for key in sorted(split):
            array = np.ascontiguousarray(split[key])
            digest.update(f"{name}/{key} {array.shape} {array.dtype.str}\n".encode())
            digest.update(array.data)
    return digest.hexdigest()
