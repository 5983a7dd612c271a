"""Decodes a prepared TFDS set into arrays: images, labels and numbers."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from jaxdl.data.npy import Filled
from jaxdl.data.preprocess import Preprocess
from jaxdl.data.spec import Dataset, Spec, Split, examples, fingerprint
from jaxdl.data.tfds import sounds
from jaxdl.data.tfds.choice import Choice
from jaxdl.data.tfds.features import Chosen, Feature, chosen, features_of, numbers_in
from jaxdl.data.tfds.names import parsed
from jaxdl.data.tfds.pictures import pixels
from jaxdl.data.tfds.records import Contents, contents, damage_named, overlap, part, records
from jaxdl.errors import UserError

_ALL = Choice()
_T = TypeVar("_T")


def decode(prepared: Path, name: str, choice: Choice = _ALL, drafts: Path | None = None) -> Dataset:
    """Decodes a prepared set in TFDS's order.

    Images become (examples, height, width, channels) in uint8 or uint16; other inputs float32, (examples, *shape) if
    they are one feature and (examples, numbers) if they are several. Labels become (examples,) int32, numbers to be
    predicted (examples,) or (examples, numbers) float32.

    Args:
        prepared: the set's folder.
        name: the set's name.
        choice: which splits and features are read.
        drafts: a folder for files of inputs, which are then read from there and are not in memory.

    Returns:
        The set with its split train, and those of validation and test that it has, see `Choice`.

    Raises:
        UserError: the set does not have the splits or features, they cannot be trained on, or its files are damaged.
    """
    features, parts = features_and_parts(prepared, name, choice)
    with damage_named(prepared):
        files = {role: None if drafts is None else drafts / f"{role}.npy" for role in parts}
        splits = {role: _decoded(each, features, name, files[role]) for role, each in parts.items()}
        splits = labelled(splits, choice)
    return dataset_of(name, spec_of(features, splits["train"]["inputs"].shape[1:]), splits)


def decoded_bytes(prepared: Path, name: str, choice: Choice = _ALL) -> int:
    """Returns how many bytes the inputs of all splits take when they are decoded; reads one example.

    Raises:
        UserError: as for `decode`.
    """
    features, parts = features_and_parts(prepared, name, choice)
    with damage_named(prepared):
        for record in records(parts["train"]):
            each = inputs_of(values_of(record), features).size * dtype_of(features).itemsize
            return int(each * sum(part.num_examples for part in parts.values()))
    return 0


def features_and_parts(prepared: Path, name: str, choice: Choice = _ALL) -> tuple[Chosen, dict[str, Any]]:
    """Returns which features of a prepared set are decoded, and TFDS's part of it for each of our splits.

    Raises:
        UserError: the set does not have the splits or features, or they cannot be trained on.
    """
    held = contents(prepared)
    with damage_named(prepared):
        return chosen(held.features, held.supervised, choice, name), parts_of(held, choice, name)


def labelled(splits: dict[str, dict[str, np.ndarray]], choice: Choice) -> dict[str, dict[str, np.ndarray]]:
    """Returns splits without a test split that has no labels, in whose place the set's validation split steps."""
    if not choice.test_split and "test" in splits and unlabelled(splits["test"]):
        splits = {name: split for name, split in splits.items() if name != "test"}
        if "validation" in splits and not choice.validation_split:
            splits["test"] = splits.pop("validation")
    return splits


def parts_of(held: Contents, choice: Choice, name: str) -> dict[str, Any]:
    """Returns TFDS's parts of the set for each of our splits, which share no example."""
    own = {role: role for role in ("train", "validation", "test") if role in held.splits}
    if "test" not in own and "validation" in own:
        own["test"] = own.pop("validation")
    fields = {"train": "split", "validation": "validation_split", "test": "test_split"}
    given = {role: getattr(choice, field) for role, field in fields.items()}
    wanted = {role: given[role] or own.get(role, "") for role in fields}
    if given["validation"] and not given["test"] and wanted["test"] == "validation":
        wanted["test"] = ""  # the set's only other split, which the user has given a role
    if not wanted["train"]:
        raise UserError(
            f"{name} has the splits {', '.join(held.splits)}, and none named train: say which to train on with "
            "--data.split=NAME."
        )
    parts = {role: part(held, expression, fields[role], name) for role, expression in wanted.items() if expression}
    for one, other in (("train", "test"), ("train", "validation"), ("validation", "test")):
        if one in parts and other in parts and overlap(parts[one], parts[other]):
            raise UserError(
                f"{name}: {one} ({wanted[one]}) and {other} ({wanted[other]}) share examples: give parts that do not "
                f"with --data.{fields[one]} and --data.{fields[other]}, such as train[:80%] and train[80%:]."
            )
    return parts


def dataset_of(name: str, spec: Spec, splits: Mapping[str, Split], digest: str = "") -> Dataset:
    """Returns a set with the given splits; its fingerprint is `digest`, computed here if that is empty."""
    digest = digest or fingerprint(splits["train"], splits.get("test"), splits.get("validation"))
    return Dataset(spec, splits, name, name, fingerprint=digest, train_examples=examples(splits["train"]))


def unlabelled(split: Split) -> bool:
    """Returns whether no example has a label: TFDS gives -1 to those of a test split whose labels are not public."""
    return split["targets"].dtype.kind == "i" and bool((split["targets"] < 0).all())


def spec_of(features: Chosen, shape: tuple[int, ...]) -> Spec:
    """Returns the spec of examples of the given features, whose inputs have the given shape."""
    dtype = _stored(features.inputs)
    scale = 1 / np.iinfo(dtype).max if dtype != "float32" else 1.0
    label = features.targets[0]
    if label.is_label:
        return Spec(shape, dtype, Preprocess(scale=scale), (), len(label.class_names), label.class_names)
    outputs = (*features.target_shape, 1)[0]
    return Spec(shape, dtype, Preprocess(scale=scale), features.target_shape, outputs)


def _stored(inputs: tuple[Feature, ...]) -> str:
    """Returns the dtype in which inputs are stored: images, encoded or not, in their own, other numbers in float32."""
    first = inputs[0]
    like_image = len(inputs) == 1 and len(first.shape) == 3 and first.dtype == "uint8"
    return first.dtype if first.is_image or like_image else "float32"


def described(builder: Any, name: str, choice: Choice = _ALL) -> Spec:
    """Returns the spec that TFDS's builder class declares, without any data.

    Raises:
        UserError: the set cannot be trained on, or the builder does not say how large its images are.
    """
    return _spec_without_examples(declared(builder, name, choice), name)


def described_in(prepared: Path, name: str, choice: Choice = _ALL) -> Spec:
    """Returns the spec of a prepared set by its description, without reading any example.

    Raises:
        UserError: the set cannot be trained on, or it does not say how large its images are.
    """
    held = contents(prepared)
    with damage_named(prepared):
        features = chosen(held.features, held.supervised, choice, name)
        return _spec_without_examples(features, name)


def _spec_without_examples(features: Chosen, name: str) -> Spec:
    shape = features.input_shape
    if None in shape:
        raise UserError(f"{name} does not declare the size of its images: load it once, or give --data.size=64.")
    return spec_of(features, tuple(n or 0 for n in shape))


def declared(builder: Any, name: str, choice: Choice = _ALL) -> Chosen:
    """Returns the features that become inputs and targets, as TFDS's builder class declares them, without any data.

    Raises:
        UserError: the set cannot be trained on.
        ImportError: the builder cannot be made without TensorFlow.
    """
    import tempfile

    if builder.name == sounds.NAME:  # whose builder cannot be made without TensorFlow
        return chosen(sounds.FEATURES, sounds.SUPERVISED, choice, name)
    with tempfile.TemporaryDirectory() as nowhere:
        info = builder(data_dir=nowhere, config=parsed(name).config or None).info
        return chosen(features_of(info.features), supervised_of(info), choice, name)


def supervised_of(info: Any) -> tuple[tuple[str, ...], ...]:
    """Returns the names of features that TFDS's object gives for inputs and for targets; empty if it gives none."""
    keys = info.supervised_keys
    return tuple(tuple(_flat(each)) for each in keys) if keys and len(keys) == 2 else ()


def _flat(nested: Any) -> list[str]:
    if isinstance(nested, str):
        return [nested]
    inside = nested.values() if isinstance(nested, dict) else nested
    return [key for each in inside for key in _flat(each)]


def _decoded(part: Any, features: Chosen, name: str, file: Path | None) -> dict[str, np.ndarray]:
    """Decodes a part of a set into memory, or its inputs into a file."""
    count, dtype = part.num_examples, dtype_of(features)
    row, inputs = -1, Filled(count, tuple(n or 0 for n in features.input_shape), dtype, file)

    def noted() -> Iterator[Any]:
        nonlocal row, inputs
        for row, record in enumerate(records(part)):
            values = values_of(record)
            example = inputs_of(values, features)
            if row == 0:
                inputs = Filled(count, example.shape, dtype, file)
            check_same_shape(name, inputs.shape, example.shape)
            inputs.add(example)
            yield values

    targets = targets_of(noted(), count, features)
    return {"inputs": inputs.array(), "targets": targets}


def dtype_of(features: Chosen) -> np.dtype[Any]:
    """Returns the dtype of decoded inputs."""
    return np.dtype(_stored(features.inputs))


def check_same_shape(name: str, shape: tuple[int, ...], other: tuple[int, ...]) -> None:
    """Raises `UserError` where two images of a set differ in size."""
    if shape != other:
        sizes = " and ".join("x".join(map(str, each[:2])) for each in (shape, other))
        raise UserError(
            f"{name} has images of different sizes, such as {sizes}: have them resized with --data.size=64, or "
            "HEIGHTxWIDTH."
        )


def values_of(record: bytes) -> Any:
    """Returns the values of a serialised example, by the name of their feature."""
    from tensorflow_datasets.proto import tf_example_pb2

    return tf_example_pb2.Example.FromString(record).features.feature


def targets_of(each: Iterable[Any], count: int, features: Chosen) -> np.ndarray:
    """Returns the targets of `count` examples, (count, *target_shape).

    Args:
        each: the `values_of` of each example.
        count: how many there should be.
        features: which of them are targets.

    Raises:
        ValueError: there are not as many, or one has no target.
    """
    label = features.targets[0] if features.targets[0].is_label else None
    targets = np.empty((count, *features.target_shape), np.int32 if label else np.float32)
    row = -1
    for row, values in enumerate(each):
        if label:
            targets[row] = only(values[label.name].int64_list.value, label)
        else:
            targets[row] = joined(values, features.targets).reshape(features.target_shape)
    if row + 1 != count:
        raise ValueError(f"{row + 1} of {count} examples of a split")
    return targets


def inputs_of(values: Any, features: Chosen) -> np.ndarray:
    """Returns the inputs in the `values_of` one example."""
    first = features.inputs[0]
    if first.is_image:
        return pixels(only(values[first.name].bytes_list.value, first), first, features.size)
    return joined(values, features.inputs).reshape([side or 0 for side in features.input_shape])


def joined(values: Any, features: tuple[Feature, ...]) -> np.ndarray:
    return np.concatenate([numbers(values[each.name], each).reshape(-1) for each in features])


def numbers(value: Any, feature: Feature) -> np.ndarray:
    """Returns the array of numbers in a feature of a record, in the feature's shape.

    Raises:
        ValueError: there are too few or too many.
    """
    dtype = np.dtype(feature.dtype)
    if feature.encoding != "none":
        packed = only(value.bytes_list.value, feature)
        array = np.frombuffer(zlib.decompress(packed) if feature.encoding == "zlib" else packed, dtype)
    elif dtype.kind == "f":
        array = np.array(value.float_list.value, np.float32)
    else:
        array = np.array(value.int64_list.value, np.int64)
    if None not in feature.shape and array.size != numbers_in([feature]):
        raise ValueError(f"an example has {array.size} of the {numbers_in([feature])} numbers of {feature.name}")
    return array.reshape([-1 if side is None else side for side in feature.shape])


def only(values: Sequence[_T], feature: Feature) -> _T:
    """Returns the only value of a feature in a record.

    Raises:
        ValueError: there is none, as in the record of another set.
    """
    if not values:
        raise ValueError(f"an example has no {feature.name}")
    return values[0]
