"""Arrays of several inputs and targets: each keeps its kind, and the splits fit each other."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

import jaxdl
from tests.named import arrays

RANDOM = np.random.default_rng(0)
WORDS = [RANDOM.integers(1, 9, length) for length in (3, 6, 2, 6, 1)]
SHORT = [each[:4] for each in WORDS]


def sequences(words: list[np.ndarray]) -> dict[str, Any]:
    image = RANDOM.integers(0, 255, (len(words), 6, 6, 1), np.uint8)
    inputs = {"image": image, "words": words}
    return {"inputs": inputs, "targets": {"tags": [each % 2 for each in words], "far": image[:, 0, 0, 0] / 2}}


def test_each_keeps_its_kind_storage_and_preprocessing() -> None:
    dataset = jaxdl.Arrays(train=arrays(90), test=arrays(30, 1), validation=0.2).load()
    assert {name: len(split["weights"] if "weights" in split else split["inputs/image"]) for name, split in
            dataset.splits.items()} == {"train": 72, "validation": 18, "test": 30}  # fmt: skip
    train = dataset.splits["train"]
    assert {key: str(array.dtype) for key, array in train.items()} == {
        "inputs/image": "uint8", "inputs/table": "float32", "targets/shade": "int32", "targets/size": "float32",
    }  # fmt: skip
    inputs, targets = dict(dataset.spec.inputs), dict(dataset.spec.targets)
    assert inputs["image"].preprocess.scale == 1 / 255 and inputs["table"].preprocess.scale == 1
    assert (inputs["image"].input_shape, inputs["table"].input_shape) == ((3, 3, 1), (2,))
    assert targets["shade"].class_names == ("dark", "grey", "light") and targets["shade"].outputs == 3
    assert targets["size"].target.mean == pytest.approx((train["targets/size"].mean(),))
    assert not targets["shade"].target.mean
    assert jaxdl.Spec.from_json(json.loads(json.dumps(dataclasses.asdict(dataset.spec)))) == dataset.spec


def test_a_target_with_steps_belongs_to_the_input_that_has_them() -> None:
    source = jaxdl.Arrays(train=sequences(WORDS), test=sequences(SHORT), ids=True, validation=0.0)
    dataset = source.load()
    for split in dataset.splits.values():  # padded alike
        assert split["inputs/words"].shape[1:] == split["targets/tags"].shape[1:] == (6,)
    np.testing.assert_array_equal(dataset.splits["test"]["lengths/words"], [3, 4, 2, 4, 1])
    np.testing.assert_array_equal(dataset.splits["test"]["targets/tags"][1], [*(SHORT[1] % 2), 0, 0])
    words, tags = dict(dataset.spec.inputs)["words"], dict(dataset.spec.targets)["tags"]
    assert words.lengths and words.preprocess.cast == "none" and words.vocabulary == max(map(max, WORDS)) + 1
    assert (tags.of_input, tags.target_shape, tags.outputs) == ("words", (6,), 2)
    assert dict(dataset.spec.targets)["far"].of_input == "image"


def test_several_inputs_may_have_one_target_and_weights() -> None:
    inputs, targets = arrays(20)
    given = {"inputs": inputs, "targets": targets["size"], "weights": np.arange(20.0)}
    dataset = jaxdl.Arrays(train=given, test=(inputs, targets["size"]), validation=0.0).load()
    assert dataset.spec.targets == () and len(dataset.spec.inputs) == 2 and dataset.spec.target.mean
    assert set(dataset.splits["test"]) == {"inputs/image", "inputs/table", "targets", "weights"}
    assert dataset.splits["test"]["weights"].tolist() == [1.0] * 20


INPUTS, TARGETS = arrays(10)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            ({**INPUTS, "table": INPUTS["table"][:9]}, TARGETS),
            "their numbers are {'inputs/image': 10, 'inputs/table': 9",
        ),
        (({"image": INPUTS["image"], "my table": INPUTS["table"]}, TARGETS), "the name 'my table' must be one"),
        (({}, TARGETS), "inputs are an empty dictionary"),
        (
            {"inputs": INPUTS, "targets": TARGETS, "lengths": np.ones(10, int)},
            "lengths must be a dictionary with names",
        ),
        ((INPUTS, {"size": TARGETS["size"][:, None] * np.nan}), "size: the targets of 10 of 10 examples hold NaN"),
        ((INPUTS, {"shade": np.array([-1, 0, 1] * 3 + [1])}), "3 examples have no label \\(-1\\) of shade"),
    ],
)
def test_what_does_not_fit_is_refused(given: Any, message: str) -> None:
    with pytest.raises(jaxdl.UserError, match=message):
        jaxdl.Arrays(train=given, test=given, validation=0.0).load()


def test_the_splits_must_have_the_same_names() -> None:
    with pytest.raises(jaxdl.UserError, match="the splits have other arrays: train has inputs/image, .* test has in"):
        jaxdl.Arrays(train=(INPUTS, TARGETS), test=(INPUTS["image"], TARGETS)).load()
    with pytest.raises(jaxdl.UserError, match="outputs=3\\): there are several targets"):
        jaxdl.Arrays(train=(INPUTS, TARGETS), test=(INPUTS, TARGETS), outputs=3).load()
