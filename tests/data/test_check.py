"""Labels, lengths and numbers that training would misread in silence are found when the data are loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.errors import UserError

INPUTS = np.random.RandomState(0).standard_normal((40, 3)).astype(np.float32)
LABELS = np.arange(40) % 4


def load(
    targets: Any, inputs: Any = INPUTS, *, lengths: Any = None, outputs: int | None = None
) -> tuple[Any, list[str]]:
    """Loads a set whose train split is good and whose test split has the given arrays; returns the set and messages."""
    said: list[str] = []
    good = {"inputs": np.zeros_like(inputs), "targets": np.zeros_like(targets)}
    given = {"inputs": inputs, "targets": targets}
    if lengths is not None:
        good["lengths"], given["lengths"] = np.ones_like(lengths), lengths
    data = jaxdl.Arrays(good, given, outputs=outputs, validation=0.0)
    return data.load(Path("unused"), said.append), said


def with_value(array: np.ndarray, place: Any, value: float) -> np.ndarray:
    changed = array.copy()
    changed[place] = value
    return changed


def test_unlabelled_examples_are_left_out_and_counted() -> None:
    loaded, said = load(with_value(LABELS, slice(0, 7), -1))
    assert len(loaded.splits["test"]["targets"]) == 33
    np.testing.assert_array_equal(loaded.splits["test"]["inputs"], INPUTS[7:])
    assert said == ["7 of the 40 examples in the test split of arrays have no label (-1); they are left out."]


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (
            LABELS + 1,
            "labels are from 1 to 4, but must be from 0 to 3, first in example 3. They begin at 1: subtract 1.",
        ),
        (
            with_value(LABELS, 5, 9),
            "labels are from 0 to 9, but must be from 0 to 3, first in example 5. Give the data",
        ),
        (
            with_value(LABELS, 5, -2),
            "labels are from -2 to 3, .* first in example 5. -1 marks an example without a label",
        ),
        (np.where(LABELS % 2, 1, -1), "labels are from -1 to 1, .* Write 0 and 1 for -1 and 1."),
    ],
)
def test_labels_that_name_no_class_are_refused_with_a_likely_cause(targets: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=f"the test split of arrays: {message}"):
        load(targets, outputs=4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["inputs", "targets"])
def test_a_number_that_is_not_finite_is_named_by_its_first_example(value: float, where: str) -> None:
    arrays = {"inputs": INPUTS, "targets": INPUTS[:, 0]}
    changed = {**arrays, where: with_value(with_value(arrays[where], 12, value), 30, value)}
    with pytest.raises(UserError, match=f"the {where} of 2 of 40 examples hold NaN or infinity, first in example 12"):
        load(changed["targets"], changed["inputs"])


def test_large_numbers_whose_sum_overflows_are_finite() -> None:
    loaded, _ = load(LABELS, np.full((40, 3), 3e38, np.float32), outputs=4)
    assert loaded.splits["test"]["inputs"].shape == (40, 3)


def test_what_lies_beyond_the_lengths_may_be_anything() -> None:
    inputs = np.ones((3, 4, 2), np.float32)
    inputs[:, 2:] = np.nan
    targets = np.full((3, 4), -1)
    targets[:, :2] = [[0, 1], [1, 0], [-1, -1]]
    loaded, said = load(targets, inputs, lengths=np.array([2, 2, 2]), outputs=2)
    assert loaded.splits["test"]["targets"][:, :2].tolist() == [[0, 1], [1, 0]]
    assert len(said) == 1
    with pytest.raises(UserError, match="hold NaN or infinity, first in example 1"):
        load(targets, inputs, lengths=np.array([2, 3, 2]), outputs=2)
    with pytest.raises(UserError, match="labels are from -1 to 1, .*use lengths for padded steps"):
        load(targets, np.ones_like(inputs), lengths=np.array([2, 3, 2]), outputs=2)


@pytest.mark.parametrize("length", [-1, 5])
def test_a_length_beyond_the_steps_is_refused(length: int) -> None:
    with pytest.raises(
        UserError, match=rf"lengths of test\[1\] is {length}; a length is the number of valid steps, from 0 to 4"
    ):
        load(np.array([0, 1]), np.ones((2, 4, 1), np.float32), lengths=np.array([4, length]), outputs=2)


def test_a_negative_id_is_refused_unless_it_lies_beyond_the_length() -> None:
    ids = np.array([[0, 3, -1], [1, -1, -1]])
    good: dict[str, Any] = {"inputs": np.zeros((2, 3), int), "targets": [0, 1], "lengths": [1, 1]}
    given: dict[str, Any] = {"inputs": ids, "targets": [0, 1], "lengths": [2, 1]}
    assert jaxdl.Arrays(good, given, ids=True, validation=0.0).load().splits["test"]["inputs"].min() == -1
    with pytest.raises(UserError, match="the test split of arrays: example 1 has a negative id, -1; ids count from 0"):
        jaxdl.Arrays(good, {**given, "lengths": [2, 2]}, ids=True, validation=0.0).load()


def test_a_source_of_ones_own_is_checked_too(tmp_path: Path) -> None:
    class Mine(jaxdl.Digits):  # type: ignore[misc]
        """Digits with weights that training would not read."""

        def read(self, data_dir: Path, notify: Any) -> jaxdl.Dataset:
            loaded = super().read(data_dir, notify)
            loaded.splits["test"]["colours"] = np.ones(359)  # type: ignore[index]
            return loaded

    with pytest.raises(UserError, match="the test split of digits: training does not read 'colours'"):
        Mine().load(tmp_path)


def train(tmp_path: Path, targets: np.ndarray, model: Any, objective: jaxdl.Objective) -> None:
    experiment = jaxdl.Experiment(
        name="mine",
        data=jaxdl.Arrays((INPUTS, targets), (INPUTS, targets)),
        model=model,
        objective=objective,
        optimizer=jaxdl.Adam(),
        training=jaxdl.Training(epochs=1),
        metrics=(),
    )
    jaxdl.train(experiment, run_dir=tmp_path / "run", data_dir=tmp_path, notify=lambda line: None)


def test_targets_that_are_no_answers_to_a_yes_no_question_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"targets are from 0.0 to 3.0, but sigmoid cross-entropy needs 0, 1 or"):
        train(tmp_path, LABELS.astype(np.float32), jaxdl.MLP(features=(4,)), jaxdl.SigmoidCrossEntropy())


def test_several_answers_are_no_probabilities_of_classes(tmp_path: Path) -> None:
    several = (np.random.RandomState(1).uniform(size=(40, 4)) < 0.5).astype(int)
    with pytest.raises(UserError, match="needs rows of probabilities that add up to 1; for several yes-no questions"):
        train(tmp_path, several, jaxdl.MLP(features=(4,)), jaxdl.SoftmaxCrossEntropy())
    train(tmp_path, np.eye(4)[LABELS], jaxdl.MLP(features=(4,)), jaxdl.SoftmaxCrossEntropy())


def test_class_names_are_no_numbers(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match="the targets of arrays are the classes a, b, c and so on, but the objective needs"
    ):
        train(tmp_path, np.array(list("abcd"))[LABELS], jaxdl.MLP(features=(4,)), jaxdl.MeanSquaredError())


@pytest.mark.parametrize("empty", ["train", "test"])
def test_a_split_of_which_nothing_is_left_is_named(tmp_path: Path, empty: str) -> None:
    given = {"train": (INPUTS, LABELS), "test": (INPUTS, LABELS), empty: (INPUTS, -np.ones(40, int))}
    experiment = jaxdl.Experiment(
        name="mine",
        data=jaxdl.Arrays(**given, outputs=4),
        model=jaxdl.MLP(features=(4,)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(),
    )
    with pytest.raises(UserError, match=f"the {empty} split of arrays has no example"):
        jaxdl.train(experiment, run_dir=tmp_path / "run", data_dir=tmp_path, notify=None)


@pytest.mark.parametrize("model", [jaxdl.MLP(features=(4,)), jaxdl.CNN(features=(2,), kernel=(1, 1), pool_after=())])
def test_lengths_that_a_model_does_not_read_are_refused(tmp_path: Path, model: Any) -> None:
    inputs = np.ones((8, 4, 4, 1), np.float32)
    padded = {"inputs": inputs, "targets": np.arange(8) % 2, "lengths": np.full(8, 2)}
    experiment = jaxdl.Experiment(
        name="mine",
        data=jaxdl.Arrays(padded, padded),
        model=model,
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(),
    )
    with pytest.raises(UserError, match="does not read lengths, so padding would count: take RNN, or data without"):
        jaxdl.train(experiment, run_dir=tmp_path / "run", data_dir=tmp_path, notify=None)


def test_a_model_with_fewer_outputs_than_classes_is_refused(tmp_path: Path) -> None:
    from flax import linen as nn

    class Fixed(nn.Module):
        @nn.compact
        def __call__(self, inputs: Any, *, train: bool = False, lengths: Any = None) -> Any:
            return nn.Dense(3)(inputs)

    with pytest.raises(UserError, match="the model has 3 outputs, but these data have 4 classes"):
        train(tmp_path, LABELS, Fixed(), jaxdl.SoftmaxCrossEntropy())


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (with_value(np.ones(40), 7, -0.5), r"the weight of example 7 is -0\.5; a weight is a finite number, 0 or more"),
        (with_value(np.ones(40), 3, np.nan), "the weight of example 3 is nan"),
        (with_value(np.ones(40), 3, np.inf), "the weight of example 3 is inf"),
        (np.zeros(40), "all weights are 0, so that no example counts"),
    ],
)
def test_weights_that_cannot_count_examples_are_refused(weights: np.ndarray, message: str) -> None:
    good = (INPUTS, LABELS)
    with pytest.raises(UserError, match=f"the test split of arrays: {message}"):
        jaxdl.Arrays(good, {"inputs": INPUTS, "targets": LABELS, "weights": weights}).load(Path("unused"))


def test_weights_are_one_number_for_each_example() -> None:
    rows = {"inputs": INPUTS, "targets": LABELS, "weights": np.ones((40, 2))}
    with pytest.raises(UserError, match=r"weights are float32 of shape \(40, 2\); give a number for each of the 40"):
        jaxdl.Arrays(rows, rows).load(Path("unused"))
