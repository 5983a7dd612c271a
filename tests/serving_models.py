"""Models of all kinds of inputs, untrained, as a server gets them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

import jaxdl
from jaxdl.data.spec import Column
from jaxdl.data.texts.coding import TextCoding


def of_spec(spec: jaxdl.Spec, model: Any, objective: Any = None) -> jaxdl.TrainedModel:
    """Returns a model with its initial parameters for data of a spec."""
    recipe = jaxdl.Experiment("some", jaxdl.Digits(), model, objective or jaxdl.SoftmaxCrossEntropy(), jaxdl.Adam())
    steps = jaxdl.make_steps(recipe, spec, total_steps=1)
    return jaxdl.TrainedModel(recipe.for_spec(spec), spec, steps, steps.init_state(np.uint32(0)))


PICTURES = jaxdl.Spec((4, 4, 1), "uint8", jaxdl.Preprocess(1 / 255), (), 3, ("dark", "grey", "light"))
CODING = TextCoding("word", ("the", "film", "good"), 3, lowercase=True)
TEXTS = jaxdl.Spec((3,), "uint8", jaxdl.Preprocess(cast="none"), (), 2, ("no", "yes"), lengths=True, coding=CODING)
COLUMNS = (Column("age"), Column("town", ("A", "B")), Column("height", None, True))
ROWS = jaxdl.Spec((5,), "float32", jaxdl.Preprocess(fill=True), (), 1, columns=COLUMNS)
SOUNDS = jaxdl.Spec((100,), "int16", jaxdl.Preprocess(1 / 32768), (), 2, ("a", "b"), lengths=True, rate=8000)
SERIES = jaxdl.Spec((7, 2), "float32", jaxdl.Preprocess(), (), 2, ("down", "up"), lengths=True)


def of_pictures() -> jaxdl.TrainedModel:
    return of_spec(PICTURES, jaxdl.MLP(features=(4,)))


def of_texts() -> jaxdl.TrainedModel:
    vocabulary = dataclasses.replace(TEXTS, vocabulary=5)
    return of_spec(vocabulary, jaxdl.RNN(features=(4,), cell="gru", embed=3))


def of_rows() -> jaxdl.TrainedModel:
    return of_spec(ROWS, jaxdl.MLP(features=(4,)), jaxdl.MeanSquaredError())


def of_series() -> jaxdl.TrainedModel:
    return of_spec(SERIES, jaxdl.RNN(features=(4,), cell="gru"))


def of_sounds() -> jaxdl.TrainedModel:
    data = jaxdl.Vowels(train_examples=20, test_examples=10, bands=6)
    recipe = jaxdl.Experiment(
        "sounds", data, jaxdl.RNN(features=(4,), cell="gru"), jaxdl.SoftmaxCrossEntropy(), jaxdl.Adam()
    )
    from tests.padded import untrained

    return untrained(recipe)
