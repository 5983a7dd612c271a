"""The texts of a TFDS set, as they are coded for training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jaxdl.data.texts.corpus import Corpus, Passages
from jaxdl.data.tfds.choice import Choice
from jaxdl.data.tfds.decode import declared, joined, only, parts_of
from jaxdl.data.tfds.features import Chosen, chosen
from jaxdl.data.tfds.prepare import builder_class
from jaxdl.data.tfds.records import contents, damage_named, records
from jaxdl.errors import UserError


def has_texts(name: str, prepared: Path | None, choice: Choice) -> bool:
    """Returns whether what is chosen of a set are texts; no example is read.

    Raises:
        UserError: the set cannot be trained on.
    """
    if prepared is None:
        return declared(builder_class(name), name, choice).inputs[0].is_text
    held = contents(prepared)
    with damage_named(prepared):
        return chosen(held.features, held.supervised, choice, name).inputs[0].is_text


def texts_of(prepared: Path, name: str, choice: Choice) -> Corpus | None:
    """Returns the texts of a prepared set in TFDS's order; None if its inputs are no texts.

    Bytes that are not UTF-8 become U+FFFD. A set that has only a text, and no label, is a running text.

    Raises:
        UserError: the set does not have the splits or features, they cannot be trained on, or its files are damaged.
    """
    held = contents(prepared)
    with damage_named(prepared):
        features = chosen(held.features, held.supervised, choice, name)
        if not features.inputs[0].is_text:
            return None
        parts = parts_of(held, choice, name)
        splits = {role: _passages(part, features, f"{name}, {role}") for role, part in parts.items()}
    if not features.targets:
        return Corpus(splits, "running")
    if not choice.test_split and "test" in splits and _unlabelled(splits["test"]):
        del splits["test"]  # TFDS gives -1 to examples whose labels are not public
        if "validation" in splits and not choice.validation_split:
            splits["test"] = splits.pop("validation")
    label = features.targets[0]
    return Corpus(splits, "labelled", label.class_names if label.is_label else ())


def _unlabelled(passages: Passages) -> bool:
    targets = passages.targets
    return targets is not None and targets.dtype.kind == "i" and bool((targets < 0).all())


def _passages(part: object, features: Chosen, place: str) -> Passages:
    from tensorflow_datasets.proto import tf_example_pb2

    texts, targets = [], []
    text = features.inputs[0]
    label = features.targets[0] if features.targets and features.targets[0].is_label else None
    for record in records(part):
        values = tf_example_pb2.Example.FromString(record).features.feature
        texts.append(only(values[text.name].bytes_list.value, text).decode("utf-8", "replace"))
        if label:
            targets.append(only(values[label.name].int64_list.value, label))
        elif features.targets:
            targets.append(joined(values, features.targets).reshape(features.target_shape))
    places = [f"{place}[{number}]" for number in range(len(texts))]
    if not features.targets:
        return Passages(texts, places)
    if features.target_shape:
        raise UserError(f"{place}: a text has one label or one number; choose one with --data.targets=NAME.")
    return Passages(texts, places, np.array(targets, np.int32 if label else np.float32))
