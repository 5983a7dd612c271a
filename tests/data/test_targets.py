from __future__ import annotations

import numpy as np
import pytest

from jaxdl.data.frames import frame_of
from jaxdl.data.targets import classes_of, says, targets_of
from jaxdl.errors import UserError


def predicted(values, task="auto"):
    """Returns classes and targets of a column."""
    frame = frame_of({"y": values}, "rows")
    classes = classes_of(frame, "y", task)
    return classes, targets_of(frame, "y", classes)


@pytest.mark.parametrize(
    ("values", "classes", "labels"),
    [
        (["b", "a", "b"], ("a", "b"), [1, 0, 1]),
        ([True, False, True], ("false", "true"), [1, 0, 1]),
        ([3, 10, 3, 10], ("3", "10"), [0, 1, 0, 1]),
        ([-1, 1, 1, -1], ("-1", "1"), [0, 1, 1, 0]),
        ([2.0, 1.0, 1.0, 2.0], ("1", "2"), [1, 0, 0, 1]),
    ],
)
def test_texts_booleans_and_few_whole_numbers_are_classes(values, classes, labels) -> None:
    found, targets = predicted(values)
    assert (found, targets.tolist(), targets.dtype) == (classes, labels, np.int32)


@pytest.mark.parametrize("values", [[0.5, 1, 0.5, 1], [1, 2, 3], list(range(21)) * 5])
def test_other_numbers_are_predicted_as_numbers(values) -> None:
    classes, targets = predicted(values)
    assert (classes, targets.dtype) == ((), np.float32)
    np.testing.assert_array_equal(targets, np.float32(values))


def test_the_task_can_be_chosen() -> None:
    assert predicted([1, 2, 1, 2], "regression")[0] == ()
    assert predicted(list(range(30)) * 2, "classification")[0] == tuple(map(str, range(30)))
    assert predicted([0.5, 1, 0.5, 1], "classification")[0] == ("0.5", "1")


@pytest.mark.parametrize(
    ("values", "task", "words"),
    [
        ([1.5, None, 2], "auto", "rows, row 2, column 'y': the target is missing, as it is in 1 of 3 rows"),
        (["a", None], "auto", "row 2, column 'y': the target is missing"),
        ([1.5, np.inf], "regression", "row 2, column 'y': inf is infinite"),
        ([1, np.inf, 1, 2], "classification", "row 2, column 'y': inf is infinite"),
        (["a", "b"], "regression", "row 1, column 'y': 'a' is a text"),
        (["a", "a"], "auto", "'y' is 'a' in every row"),
        ([1, 1, 1], "auto", "'y' is '1' in every row"),
        ([f"{i}" for i in range(30)], "auto", "30 different texts.* too many for classes"),
        (np.arange(30) / 7, "classification", "30 different numbers.*--data.task=regression"),
    ],
)
def test_a_target_that_cannot_be_learned_is_refused(values, task, words) -> None:
    with pytest.raises(UserError, match=words):
        predicted(values, task)


def test_a_class_that_train_does_not_have_is_named_with_its_row() -> None:
    for values, classes in ((["a", "c", "c"], ("a", "b")), ([1, 3, 3], ("1", "2"))):
        frame = frame_of({"y": values}, "test.csv")
        with pytest.raises(UserError, match="test.csv, row 2, column 'y': the class '(c|3)' does not occur in train"):
            targets_of(frame, "y", classes)


def test_a_line_says_what_is_predicted_and_how_to_choose() -> None:
    assert says("y", ("a", "b"), last=True, auto=True) == (
        "target: y, the last column, as one of 2 classes (a, b); --data.target=NAME takes another column; "
        "--data.task=regression predicts it as a number."
    )
    assert says("y", (), last=False, auto=False) == "target: y as a number."
