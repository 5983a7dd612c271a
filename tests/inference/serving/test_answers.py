"""Predictions as JSON, for each kind of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import jaxdl
from jaxdl.inference.serving.answers import answers, class_names
from jaxdl.inference.serving.limits import Refused
from tests.serving_models import PICTURES, of_pictures, of_rows, of_spec

ROWS = np.array([[0.2, 0.5, 0.3], [0.1, np.nan, 0.2]], np.float32)


def test_a_class_has_its_probability_and_those_of_the_others() -> None:
    first, second = answers(of_pictures(), ROWS, {})
    assert first == {
        "prediction": "grey",
        "probability": np.float32(0.5),
        "probabilities": {"dark": np.float32(0.2), "grey": np.float32(0.5), "light": np.float32(0.3)},
    }
    assert second["prediction"] is None and np.isnan(second["probability"])


def test_top_k_gives_the_most_probable_first() -> None:
    first = answers(of_pictures(), ROWS, {}, top_k=2)[0]
    assert list(first["probabilities"]) == ["grey", "light"]
    with pytest.raises(Refused, match="top_k is for models that predict one class"):
        answers(of_rows(), np.zeros((1,), np.float32), {}, top_k=2)


def test_numbers_are_numbers() -> None:
    assert answers(of_rows(), np.float32([1.5, 2]), {}) == [{"prediction": 1.5}, {"prediction": 2}]


def test_questions_have_a_probability_of_yes_each() -> None:
    spec = dataclasses.replace(PICTURES, target_shape=(3,))
    model = of_spec(spec, jaxdl.MLP(features=(4,)), jaxdl.SigmoidCrossEntropy())
    assert answers(model, ROWS[:1], {}) == [
        {"probabilities": {"dark": np.float32(0.2), "grey": np.float32(0.5), "light": np.float32(0.3)}}
    ]


def test_steps_beyond_a_length_are_left_out() -> None:
    spec = jaxdl.Spec((3, 2), "float32", jaxdl.Preprocess(), (3,), 2, ("down", "up"), lengths=True)
    model = of_spec(spec, jaxdl.RNN(features=(4,), cell="gru", every_step=True))
    steps = np.float32([[[0.9, 0.1], [0.2, 0.8], [0.9, 0.1]]] * 2)
    found = answers(model, steps, {"lengths": np.array([3, 1])})
    assert found == [{"prediction": ["down", "up", "down"]}, {"prediction": ["down"]}]


def test_several_outputs_are_named() -> None:
    from tests.named import recipe
    from tests.padded import untrained

    predictions = {"shade": np.float32([[0.2, 0.5, 0.3]]), "size": np.float32([7])}
    (found,) = answers(untrained(recipe()), predictions, {})
    assert found["size"] == {"prediction": 7}
    assert found["shade"]["prediction"] == "grey"


def test_classes_of_the_same_name_are_told_apart() -> None:
    assert class_names(PICTURES) == ("dark", "grey", "light")
    twice = dataclasses.replace(PICTURES, class_names=("a", "b", "a"))
    assert class_names(twice) == ("a (0)", "b (1)", "a (2)")
