"""The features of a TFDS set: which there are, and which become inputs and targets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.data.tfds.choice import Choice
from jaxdl.data.tfds.prepared import FEATURES, read_json
from jaxdl.errors import UserError, unknown

# Kinds of features whose values are numbers.
_NUMBERS = ("Tensor", "Scalar")
_COMING = {"Text": "texts", "Translation": "texts", "Audio": "sounds", "Video": "films"}


@dataclass(frozen=True)
class Feature:
    """One feature of a set, without features inside.

    Attributes:
        name: as TFDS writes it into records: ``image``, or ``features/age`` for a feature inside another.
        kind: TFDS's class, such as ``Image``, ``ClassLabel``, ``Tensor``, ``Scalar``, ``Text``.
        shape: of one value; None for a dimension that differs.
        dtype: NumPy's name, such as ``uint8``; empty where the kind has none.
        classes: the names of the classes of a ``ClassLabel``.
        encoding: how a tensor is packed: ``none``, ``bytes`` or ``zlib``.
    """

    name: str
    kind: str
    shape: tuple[int | None, ...] = ()
    dtype: str = ""
    classes: tuple[str, ...] = ()
    encoding: str = "none"

    @property
    def is_image(self) -> bool:
        return self.kind == "Image"

    @property
    def is_text(self) -> bool:
        return self.kind == "Text"

    @property
    def is_label(self) -> bool:
        """Whether its values name a class: labels, and single booleans."""
        return self.kind == "ClassLabel" or (self.dtype == "bool" and self.shape == ())

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes of a label; empty if it does not say how many there are."""
        return ("false", "true") if self.dtype == "bool" else self.classes

    @property
    def is_numbers(self) -> bool:
        """Whether its values are arrays of numbers of one shape."""
        return self.kind in _NUMBERS and None not in self.shape and np.dtype(self.dtype).kind in "biuf"


def features_in(prepared: Path) -> dict[str, Feature]:
    """Returns the features of a prepared set, by name, in TFDS's order.

    They are read from TFDS's description rather than made by TFDS: it cannot make those of sounds without TensorFlow.

    Raises:
        UserError: the description is damaged.
    """
    content = read_json(prepared / FEATURES)
    if "pythonClassName" not in content:  # as TFDS wrote it until 2021
        from tensorflow_datasets.core.features import FeatureConnector

        return features_of(FeatureConnector.from_config(str(prepared)))
    return {feature.name: feature for feature in _described(content, "", "", prepared)}


def _described(content: Mapping[str, Any], name: str, file: str, prepared: Path) -> Iterator[Feature]:
    kind = content["pythonClassName"].rpartition(".")[2]
    if "featuresDict" in content and kind in ("FeaturesDict", "Translation"):
        for key, inner in sorted(content["featuresDict"].get("features", {}).items()):
            # TFDS's names: of the value in a record, and of the file with the names of its classes.
            yield from _described(inner, f"{name}/{key}" if name else key, _file_name(file, key), prepared)
        return
    about: Mapping[str, Any] = next((value for value in content.values() if isinstance(value, dict)), {})
    classes: tuple[str, ...] = ()
    if kind == "ClassLabel":
        names = prepared / f"{file}.labels.txt"
        count = int(about.get("numClasses", 0))
        listed = names.read_text().split("\n") if names.is_file() else map(str, range(count))
        classes = tuple(each.strip() for each in listed if each.strip())
    shape = tuple(None if int(n) < 0 else int(n) for n in about.get("shape", {}).get("dimensions", ()))
    yield Feature(name, kind, shape, about.get("dtype", ""), classes, (about.get("encoding") or "none").lower())


def _file_name(parent: str, key: str) -> str:
    key = key.replace("/", ".")
    return f"{parent}-{key}" if parent else key


def features_of(connector: Any) -> dict[str, Feature]:
    """Returns the features that TFDS's objects describe, by name."""
    return {feature.name: feature for feature in _declared(connector, "")}


def _declared(connector: Any, name: str) -> Iterator[Feature]:
    from tensorflow_datasets.core import features

    if isinstance(connector, features.FeaturesDict):
        for key, inner in sorted(connector.items()):
            yield from _declared(inner, f"{name}/{key}" if name else key)
        return
    # A class derived from one that is known is stored as that one, but may mean something else.
    kind = type(connector).__name__
    encoding = getattr(getattr(connector, "_encoding", None), "value", "none")
    shape, dtype = (), ""
    if kind in (*_NUMBERS, "Image"):
        shape, dtype = tuple(connector.shape), np.dtype(connector.np_dtype).name
    classes = tuple(connector.names) if kind == "ClassLabel" and connector.num_classes else ()
    yield Feature(name, kind, shape, dtype, classes, encoding if isinstance(encoding, str) else "none")


@dataclass(frozen=True)
class Chosen:
    """What is read of each example.

    Attributes:
        inputs: one image, one text, or one or several features of numbers.
        targets: one label, or one or several features of numbers; empty for a text, the units of which are to be
            predicted from those before them.
        size: (height, width) to which images are resized; None: as stored.
    """

    inputs: tuple[Feature, ...]
    targets: tuple[Feature, ...]
    size: tuple[int, int] | None = None

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The shape of one example's inputs; None for sides of images that differ or are not declared."""
        if len(self.inputs) > 1:
            return (numbers_in(self.inputs),)
        shape = self.inputs[0].shape
        return (*self.size, *shape[2:]) if self.size else shape

    @property
    def target_shape(self) -> tuple[int, ...]:
        """The shape of one example's targets."""
        first = self.targets[0]
        return () if first.is_label or (len(self.targets) == 1 and first.shape == ()) else (numbers_in(self.targets),)


def numbers_in(features: Sequence[Feature]) -> int:
    """Returns how many numbers one example has in features of numbers."""
    return sum(math.prod(side or 0 for side in feature.shape) for feature in features)


def chosen(
    features: Mapping[str, Feature],
    supervised: Sequence[Sequence[str]],
    choice: Choice,
    name: str,
) -> Chosen:
    """Returns the features that become inputs and targets.

    Args:
        features: all of the set.
        supervised: the names that TFDS gives for inputs and for targets; empty if it gives none.
        choice: what the user gives: names of features or of dictionaries of them.
        name: the set's, for messages.

    Raises:
        UserError: there is no such feature, none is known to be the inputs or the targets, or they are of a kind that
            cannot be trained on.
    """
    given = supervised if len(supervised) == 2 else ((), ())
    if not any(given):  # TFDS names no pair: an only image (or text, or sound) with an only label is one
        images = [key for key, feature in features.items() if feature.is_image]
        others = [key for key, feature in features.items() if feature.kind in _COMING]
        labels = [key for key, feature in features.items() if feature.is_label]
        given = (images or others, labels) if len(images or others) == len(labels) == 1 else ((), ())
        if len(features) == 1 and others and features[others[0]].is_text:
            given = (others, ())
    inputs = _named(features, choice.inputs or given[0], "inputs", name)
    running = len(inputs) == 1 and inputs[0].is_text and len(features) == 1
    targets = () if running else _named(features, choice.targets or given[1], "targets", name)
    result = Chosen(inputs, targets, choice.size)
    both = {feature.name for feature in result.inputs} & {feature.name for feature in result.targets}
    if both:
        raise UserError(f"{name}: {', '.join(sorted(both))} cannot be both inputs and targets.")
    _check_inputs(result.inputs, features, name)
    if not running:
        _check_targets(result.targets, features, name)
    if choice.size and not result.inputs[0].is_image:
        raise UserError(f"{name}: --data.size is for images, and its inputs are {result.inputs[0].name}.")
    return result


def _named(features: Mapping[str, Feature], names: Sequence[str], field: str, name: str) -> tuple[Feature, ...]:
    if not names:
        raise UserError(
            f"{name} holds {listed(features)}, and does not say which are {field}: give --data.{field}=NAME."
        )
    found: list[Feature] = []
    for each in names:
        inside = [feature for key, feature in features.items() if key.startswith(each + "/")]
        named = [features[each]] if each in features else inside  # `image` is not `image/filename` beside it
        if not named:
            raise unknown(f"feature of {name} for --data.{field}:", each, features)
        found += [feature for feature in named if feature not in found]
    return tuple(found)


def _check_inputs(inputs: Sequence[Feature], features: Mapping[str, Feature], name: str) -> None:
    if len(inputs) == 1 and inputs[0].is_text:
        return
    for feature in inputs:
        if feature.is_text:
            raise UserError(
                f"{name}: its inputs are several features, {', '.join(each.name for each in inputs)}; name one text "
                "with --data.inputs=NAME."
            )
        if feature.kind in _COMING:
            by_name = " spoken_digit alone is --data=spoken_digit." if name.startswith("spoken_digit") else ""
            raise UserError(
                f"{name}: its inputs, {feature.name}, are {_COMING[feature.kind]}, on which jaxdl does not train by "
                "the set's name: read them with jaxdl.data.tfds.examples.read_examples, make numbers of them, and "
                f"give these as jaxdl.Arrays.{by_name}"
            )
    if len(inputs) == 1 and inputs[0].is_image:
        dtype, channels = inputs[0].dtype, inputs[0].shape[-1]
        if (dtype == "uint8" and channels in (1, 3, 4)) or (dtype == "uint16" and channels == 1):
            return
        raise UserError(
            f"{name}: {inputs[0].name} are images of {channels} channels of {dtype}; those of 1, 3 or 4 channels of "
            "uint8 and of 1 channel of uint16 can be read."
        )
    for feature in inputs:
        if not feature.is_numbers:
            raise UserError(
                f"{name} holds {listed(features)}; inputs are one image, or numbers of one shape, and {feature.name} "
                "is not: choose others with --data.inputs=NAME."
            )


def _check_targets(targets: Sequence[Feature], features: Mapping[str, Feature], name: str) -> None:
    if len(targets) == 1 and targets[0].is_label and targets[0].class_names:
        return
    for feature in targets:
        if not feature.is_numbers or len(feature.shape) > 1:
            raise UserError(
                f"{name} holds {listed(features)}; targets are one class label, or numbers, and {feature.name} is not: "
                "choose others with --data.targets=NAME."
            )


def listed(features: Mapping[str, Feature]) -> str:
    """Returns the features for a message: ``image (Image), label (ClassLabel)``."""
    return ", ".join(f"{key} ({feature.kind})" for key, feature in sorted(features.items()))
