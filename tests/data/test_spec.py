from __future__ import annotations

import dataclasses
import json

import numpy as np

from jaxdl.data import Dataset, Spec, examples, fingerprint

SPEC = Spec((8, 8, 1), "uint8", 1 / 16, (), 10, ("zero", "one"))


def split(inputs, targets):
    return {"inputs": np.asarray(inputs), "targets": np.asarray(targets, np.int32)}


def test_substituted_means_that_another_set_is_used_than_was_asked_for():
    dataset = Dataset(SPEC, {}, requested="mnist", used="mnist", fingerprint="", train_examples=0)
    assert not dataset.substituted
    assert dataclasses.replace(dataset, used="digits").substituted


def test_a_spec_survives_json():
    assert Spec.from_json(json.loads(json.dumps(dataclasses.asdict(SPEC)))) == SPEC


def test_examples_counts_the_first_axis():
    assert examples(split(np.zeros((5, 3)), range(5))) == 5


def test_the_fingerprint_depends_on_names_shapes_dtypes_bytes_and_splits_but_not_on_the_order_of_names():
    one, other = split([[1, 2], [3, 4]], [0, 1]), split([[5, 6]], [1])
    variants = [
        (one, other),
        (other, one),
        (split([[1, 2], [3, 5]], [0, 1]), other),
        (split([[1], [2], [3], [4]], [0, 1]), other),
        (split(np.array([[1, 2], [3, 4]], np.uint64), [0, 1]), other),
        ({"images": one["inputs"], "targets": one["targets"]}, other),
    ]
    assert len({fingerprint(*variant) for variant in variants}) == len(variants)
    assert fingerprint(dict(reversed(one.items())), other) == fingerprint(one, other)


def test_the_fingerprint_is_that_of_the_values_whatever_the_layout_in_memory():
    inputs = np.arange(24, dtype=np.uint8).reshape(4, 6)
    one, same = split(inputs, range(4)), split(np.asfortranarray(inputs), range(4))
    assert fingerprint(one, one) == fingerprint(same, same)
