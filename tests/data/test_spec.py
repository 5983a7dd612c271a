from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from jaxdl.data import Dataset, Preprocess, Spec, examples, fingerprint

SPEC = Spec((8, 8, 1), "uint8", Preprocess(1 / 16), (), 10, ("zero", "one"))


def split(inputs, targets):
    return {"inputs": np.asarray(inputs), "targets": np.asarray(targets, np.int32)}


def test_substituted_means_that_another_set_is_used_than_was_asked_for():
    dataset = Dataset(SPEC, {}, requested="mnist", used="mnist", fingerprint="", train_examples=0)
    assert not dataset.substituted
    assert dataclasses.replace(dataset, used="digits").substituted


def test_a_spec_survives_json():
    assert Spec.from_json(json.loads(json.dumps(dataclasses.asdict(SPEC)))) == SPEC


@pytest.mark.parametrize("scale", [1 / 255, 1 / 16, 1.0])
def test_a_spec_written_before_preprocessing_was_declared_is_read(scale):
    fields = {
        "input_shape": [8, 8, 1],
        "input_dtype": "uint8",
        "scale": scale,
        "target_shape": [],
        "outputs": 10,
        "class_names": ["zero", "one"],
        "best_loss": None,
    }
    assert Spec.from_json(fields) == dataclasses.replace(SPEC, preprocess=Preprocess(scale=scale))


def test_a_bare_scale_is_refused_with_the_way_out():
    with pytest.raises(TypeError, match=r"preprocess=0\.5: give a Preprocess, such as Preprocess\(scale="):
        Spec((8, 8, 1), "uint8", 0.5, (), 10)


def test_a_model_reads_numbers_in_float32_and_ids_as_stored():
    assert SPEC.model_dtype == "float32"
    assert dataclasses.replace(SPEC, input_dtype="int32", preprocess=Preprocess(cast="none")).model_dtype == "int32"


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
