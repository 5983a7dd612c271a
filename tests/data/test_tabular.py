from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from jaxdl.data.frames import Frame, frame_of
from jaxdl.data.inspection import feature_names, inspect
from jaxdl.data.spec import Column, Dataset
from jaxdl.data.tabular import Choice, dataset_of, fitted
from jaxdl.errors import UserError


def made(choice: Choice | None = None, **splits) -> tuple[Dataset, str]:
    """Returns the fitted data set of tables given as mappings, and what was said."""
    lines: list[str] = []
    frames = {name: frame_of(values, f"{name}.csv") for name, values in splits.items()}
    dataset = dataset_of(frames, choice or Choice(), "rows", lines.append)
    return fitted(dataset, True, lines.append), "\n".join(lines)


TRAIN = {"n": [1.0, 2.0, 3.0, 6.0], "c": ["u", "v", "u", "u"], "b": [True, False, True, True], "y": list("abba")}


def test_numbers_are_standardised_as_scikit_learn_does_and_categories_are_not() -> None:
    dataset, _ = made(train=TRAIN)
    assert dataset.spec.columns == (Column("n"), Column("c", ("u", "v")), Column("b"))
    inputs = dataset.spec.preprocess(dataset.splits["train"]["inputs"])
    numbers = StandardScaler().fit_transform(np.transpose([TRAIN["n"], TRAIN["b"]]).astype(float))
    np.testing.assert_allclose(inputs[:, [0, 3]], numbers, rtol=1e-6)
    assert inputs[:, 1:3].tolist() == [[1, 0], [0, 1], [1, 0], [1, 0]]
    assert (dataset.spec.class_names, dataset.spec.outputs) == (("a", "b"), 2)


def test_numbers_to_be_predicted_are_standardised() -> None:
    dataset, said = made(train={"n": [1, 2, 3.0], "y": [10.0, 20, 60]})
    assert dataset.spec.target.mean == (30.0,)
    assert dataset.spec.target.deviation[0] == pytest.approx(np.std([10, 20, 60]))
    assert "target: y, the last column, as a number" in said


def test_a_category_that_train_does_not_have_is_zero_everywhere_and_counted() -> None:
    dataset, said = made(train=TRAIN, test=TRAIN | {"c": ["w", "w", "v", "w"]})
    assert dataset.splits["test"]["inputs"][:, 1:3].tolist() == [[0, 0], [0, 0], [0, 1], [0, 0]]
    assert "the test split of rows: 3 rows have a value of 'c' that does not occur in train" in said


def test_categories_that_only_the_cut_examples_have_are_left_out() -> None:
    whole, _ = made(train=TRAIN)
    split = whole.splits["train"]
    cut = {
        "train": {key: array[[0, 2, 3]] for key, array in split.items()},
        "test": {key: array[[1]] for key, array in split.items()},
    }
    lines: list[str] = []
    dataset = fitted(dataclasses.replace(whole, splits=cut), True, lines.append)
    assert dataset.spec.columns == (Column("n"),)
    assert dataset.spec.input_shape == (1,)
    assert dataset.splits["test"]["inputs"].tolist() == [[2]]
    assert lines == ["rows: c, b: the same in every row of train, so left out."]


def test_missing_numbers_become_the_mean_of_train() -> None:
    train = {"n": [1.0, None, 3.0], "m": [5, 6, None], "y": [0.5, 1.5, 2.5]}
    dataset, _ = made(Choice(missing="mean"), train=train)
    inputs = dataset.spec.preprocess(dataset.splits["train"]["inputs"])
    np.testing.assert_allclose(inputs, [[-1, -1], [0, 1], [1, 0]])


def test_missing_values_can_be_inputs_of_their_own() -> None:
    train = {"n": [1.0, None, 3.0], "c": ["u", "v", None], "m": [5, 6, 7], "y": [0.5, 1.5, 2.5]}
    dataset, _ = made(Choice(missing="category"), train=train, test=train | {"m": [None, 6, 7]})
    assert dataset.spec.columns == (Column("n", None, True), Column("c", ("u", "v"), True), Column("m"))
    inputs = dataset.spec.preprocess(dataset.splits["train"]["inputs"])
    assert inputs[:, :5].tolist() == [[-1, 0, 1, 0, 0], [0, 1, 0, 1, 0], [1, 0, 0, 0, 1]]
    assert dataset.spec.preprocess(dataset.splits["test"]["inputs"])[0, 5] == 0


@pytest.mark.parametrize(
    ("choice", "train", "words"),
    [
        (Choice(), {"n": [1, None], "y": [0.5, 1]}, "row 2, column 'n': the value is missing.*--data.missing=mean"),
        (Choice(missing="mean"), {"c": ["u", None], "y": [0.5, 1]}, "row 2, column 'c'.*texts have no mean"),
        (Choice(target="z"), TRAIN, "data.target: train.csv has no column 'z'"),
        (Choice(group="Y"), TRAIN, "data.group: .* Did you mean 'y'"),
        (Choice(categories=("m",)), TRAIN, "data.categories: "),
        (Choice(target="c", group="c"), TRAIN, "data.target and data.group are both 'c'"),
        (Choice(weights="w"), TRAIN | {"w": [1, -1, 1, 1]}, "row 2, column 'w': the weight -1 is negative"),
        (Choice(weights="w"), TRAIN | {"w": [1, 1, 1, None]}, "row 4, column 'w': the weight is missing"),
        (Choice(weights="c"), TRAIN, "row 1, column 'c': 'u' is a text"),
        (Choice(group="g"), TRAIN | {"g": [1, 1, 1, 1]}, "all rows are of one group"),
        (Choice(group="g"), TRAIN | {"g": [1, 2, None, 1]}, "row 3, column 'g': the group is missing"),
        (Choice(), {"y": [1, 2]}, "has only the column y"),
        (Choice(), {"n": [7, 7], "y": [0.5, 1]}, "all inputs are the same"),
    ],
)
def test_tables_that_do_not_fit_the_choice_are_refused(choice, train, words) -> None:
    with pytest.raises(UserError, match=words):
        made(choice, train=train)


def test_columns_of_the_splits_are_found_by_name() -> None:
    dataset, _ = made(train=TRAIN, test={"more": [9], "y": ["b"], "b": [True], "c": ["v"], "n": [4.0]})
    assert dataset.splits["test"]["inputs"].tolist() == [[4, 0, 1, 1]]
    assert dataset.splits["test"]["targets"].tolist() == [1]
    with pytest.raises(UserError, match="columns of train.csv: test.csv has no column 'n'"):
        made(train=TRAIN, test={"N_": [1], "c": ["u"], "b": [True], "y": ["a"]})


def test_the_group_and_what_counts_the_rows_are_no_inputs() -> None:
    rows = 30
    table = {"id": range(rows), "n": [0.5, 2] * 15, "g": ["x", "y", "z"] * 10, "y": [1, 2, 2] * 10}
    table = {name: list(values) for name, values in table.items()}
    dataset, said = made(Choice(group="g"), train=table)
    assert [column.name for column in dataset.spec.columns] == ["n"]
    assert dataset.splits["train"]["groups"].tolist() == [0, 1, 2] * 10
    assert "train.csv: id only counts the rows" in said
    named, _ = made(Choice(columns=("id",), group="g"), train=table)
    assert [column.name for column in named.spec.columns] == ["id"]


def test_weights_say_how_much_rows_count_and_are_1_in_a_table_without_them() -> None:
    dataset, _ = made(Choice(weights="w"), train=TRAIN | {"w": [1, 0, 2.5, 1]}, test=TRAIN)
    assert [column.name for column in dataset.spec.columns] == ["n", "c", "b"]
    assert dataset.splits["train"]["weights"].tolist() == [1, 0, 2.5, 1]
    assert dataset.splits["test"]["weights"].tolist() == [1, 1, 1, 1]


def test_columns_without_a_name_are_mentioned() -> None:
    lines: list[str] = []
    frame = Frame("rows.csv", frame_of({"n": [1, 2], "y": ["a", "b"]}, "").arrays, unnamed=1)
    dataset_of({"train": frame}, Choice(), "rows", lines.append)
    assert "rows.csv: 1 of its columns have no name; they are left out." in lines


def test_each_input_has_a_name() -> None:
    train = {"n": [1.0, None, 3.0], "c": ["u", "v", None], "y": [0.5, 1.5, 2.5]}
    dataset, _ = made(Choice(missing="category"), train=train)
    assert feature_names(dataset.spec) == ("n", "n is missing", "c=u", "c=v", "c is missing")
    assert len(inspect(dataset).features) == 5
