"""Classes of pixels: loss and metrics of whole splits against scikit-learn on the pixels of all pictures in one row."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import hypothesis.strategies as st
import jax
import numpy as np
import pytest
import sklearn.metrics as reference
from flax import linen as nn
from hypothesis import given
from scipy.special import log_softmax

import jaxdl
from jaxdl.data import Preprocess, Spec
from jaxdl.data.check import are_classes, checked
from jaxdl.objectives.metrics import loss, metric

FIGURES = ("accuracy", "mean_iou", "f1", "confusion")


class Itself(nn.Module):
    """Returns its inputs as the logits; it has a parameter, since every model has."""

    outputs: int | None = None

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        return inputs + self.param("bias", nn.initializers.zeros, inputs.shape[-1:])


@functools.cache
def eval_step(size: tuple[int, int], classes: int) -> Any:
    experiment = jaxdl.Experiment(
        name="pixels",
        data=jaxdl.Digits(),
        model=Itself(),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.SGD(),
        metrics=FIGURES,
    )
    names = tuple(map(str, range(classes)))
    steps = jaxdl.make_steps(experiment, Spec((*size, classes), "float32", Preprocess(), size, classes, names), 1)
    return functools.partial(steps.eval_step, steps.init_state(0))


@given(seed=st.integers(0, 2**32 - 1), examples=st.integers(1, 9), shape=st.sampled_from([((3, 4), 3), ((2, 5), 5)]))
def test_each_pixel_counts_once(seed: int, examples: int, shape: tuple[tuple[int, int], int]) -> None:
    size, classes = shape
    random = np.random.default_rng(seed)
    labels = random.integers(classes, size=(examples, *size)).astype(np.int32)
    logits = random.normal(size=(*labels.shape, classes)).astype(np.float32) + np.eye(classes)[labels]
    batches = []
    for start in range(0, examples, 4):  # the last batch is filled up with what must not count
        part = slice(start, start + 4)
        filled = [(0, 4 - len(labels[part]))]
        batch = {
            "inputs": np.pad(logits[part].astype(np.float32), filled + [(0, 0)] * 3, constant_values=7),
            "targets": np.pad(labels[part], filled + [(0, 0)] * 2),
            "mask": np.arange(4) < len(labels[part]),
        }
        batches.append(jax.tree.map(np.asarray, eval_step(size, classes)(batch)))
    sums = {key: np.stack([batch[key] for batch in batches]) for key in batches[0]}
    objective = jaxdl.SoftmaxCrossEntropy()
    found = loss(objective).result(sums)
    for name in FIGURES:
        found |= metric(name, objective).result(sums)

    truth, predicted = labels.reshape(-1), logits.reshape(-1, classes).argmax(-1)
    expected = -log_softmax(logits.reshape(-1, classes), -1)[np.arange(len(truth)), truth].mean()
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(truth, predicted))
    assert found["mean_iou"] == pytest.approx(reference.jaccard_score(truth, predicted, average="macro"))
    each = reference.jaccard_score(truth, predicted, average=None, labels=range(classes), zero_division=0)
    np.testing.assert_allclose(found["iou_per_class"], each)
    assert found["f1"] == pytest.approx(reference.f1_score(truth, predicted, average="macro", zero_division=0))
    assert found["confusion"] == reference.confusion_matrix(truth, predicted, labels=range(classes)).tolist()


def test_pixels_are_classes_even_where_a_row_has_as_many_as_there_are_classes() -> None:
    spec = Spec((6, 4, 3), "uint8", Preprocess(), (6, 4), 4, ("sky", "sea", "land", "ship"))
    targets = np.zeros((2, 6, 4), np.int32)
    assert are_classes(targets, spec)
    assert not are_classes(targets[:, 0], Spec((6,), "float32", Preprocess(), (4,), 4))  # four questions


def test_arrays_with_a_label_for_each_pixel_are_classes(tmp_path: Any) -> None:
    images, masks = np.zeros((6, 4, 3, 1), np.uint8), np.arange(72).reshape(6, 4, 3) % 5
    spec = jaxdl.Arrays(train=(images, masks), test=(images, masks)).spec(tmp_path)
    assert (spec.target_shape, spec.outputs, spec.class_names) == ((4, 3), 5, tuple("01234"))
    questions = jaxdl.Arrays(train=(images, masks[:, 0]), test=(images, masks[:, 0])).spec(tmp_path)
    assert (questions.outputs, questions.class_names) == (3, ())


def test_a_pixel_of_no_class_is_named(tmp_path: Any) -> None:
    dataset = jaxdl.Shapes(masks=True, kinds=2, train_examples=10, test_examples=10).load(tmp_path)
    targets = dataset.splits["test"]["targets"].copy()
    targets[3, 5, 5] = 3
    splits = {**dataset.splits, "test": {**dataset.splits["test"], "targets": targets}}
    dataset = dataclasses.replace(dataset, splits=splits)
    with pytest.raises(jaxdl.UserError, match="labels are from 0 to 3, but must be from 0 to 2, first in example 3"):
        checked(dataset, print)


def test_questions_about_pixels_are_answered_too() -> None:
    """Such as which pixels belong to a road: one logit each."""
    random = np.random.default_rng(0)
    logits, truth = random.normal(size=(3, 4, 5, 1)).astype(np.float32), random.integers(2, size=(3, 4, 5))
    figure = metric("mean_iou", jaxdl.SigmoidCrossEntropy())
    sums = {key: np.asarray(value)[None] for key, value in figure.partial(logits, truth, np.ones(3, bool)).items()}
    expected = reference.jaccard_score(truth.reshape(-1), logits.reshape(-1) > 0, average="macro")
    assert figure.result(sums)["mean_iou"] == pytest.approx(expected)
