"""Predictions as CSV."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pyarrow.parquet as parquet
import pytest

from jaxdl.errors import UserError
from jaxdl.inference import predictions_csv, predictions_table


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_class_probabilities_become_a_row_for_each_example() -> None:
    table = rows(predictions_csv(["a,b.png", "c.png"], np.array([[0.25, 0.75], [0.5, 0.5]]), ["no", "yes"]))
    assert table == [
        ["file", "prediction", "probability", "no", "yes"],
        ["a,b.png", "yes", "0.75", "0.25", "0.75"],
        ["c.png", "no", "0.5", "0.5", "0.5"],
    ]


def test_a_probability_that_is_not_a_number_is_no_class() -> None:
    table = rows(predictions_csv(["a", "b"], np.array([[np.nan, np.nan], [0.5, 0.5]]), ["no", "yes"]))
    assert table[1:] == [["a", "nan", "nan", "nan", "nan"], ["b", "no", "0.5", "0.5", "0.5"]]


def test_several_questions_are_answered_one_by_one() -> None:
    table = rows(predictions_csv(["a"], np.array([[0.75, 1.0]]), ["red", "round"], exclusive=False))
    assert table == [["file", "red", "round"], ["a", "0.75", "1"]]


@pytest.mark.parametrize(
    ("values", "head"),
    [(np.array([1.5]), ["file", "prediction"]), (np.array([[1.5, 2.0]]), ["file", "prediction_0", "prediction_1"])],
)
def test_values_become_columns(values: np.ndarray, head: list[str]) -> None:
    table = rows(predictions_csv(["x"], values, []))
    assert table[0] == head
    assert [float(cell) for cell in table[1][1:]] == values.reshape(-1).tolist()


ROWS = np.array([[0.25, 0.1, 0.65], [0.4, 0.4, 0.2]], np.float32)


def test_only_the_most_probable_classes_are_written() -> None:
    head, *cells = rows(predictions_table(["a", "b"], ROWS, ["x", "y", "z"], top_k=2).csv())
    assert head == ["file", "prediction", "probability", "prediction_2", "probability_2"]
    assert cells == [["a", "z", "0.65", "x", "0.25"], ["b", "x", "0.4", "y", "0.4"]]
    assert len(predictions_table(["a", "b"], ROWS, ["x", "y", "z"], top_k=9).head) == 7
    for classes, exclusive in (([], True), (["x", "y", "z"], False)):
        with pytest.raises(UserError, match=r"--top_k=2 needs a model that predicts one class"):
            predictions_table(["a", "b"], ROWS, classes, exclusive, top_k=2)


def test_the_ending_of_the_file_says_the_format() -> None:
    table = predictions_table(["a", "b"], np.where(np.float32(0.1) == ROWS, np.nan, ROWS), ["x", "y", "z"])
    lines = [json.loads(line) for line in table.content("some.jsonl").splitlines()]
    assert lines[1] == {"file": "b", "prediction": "x", "probability": 0.4, "x": 0.4, "y": 0.4, "z": 0.2}
    assert (lines[0]["prediction"], lines[0]["y"]) == ("nan", None)
    read = parquet.read_table(io.BytesIO(table.content("some.PARQUET")))
    assert read.column_names == table.head and read["prediction"].to_pylist() == ["nan", "x"]
    np.testing.assert_array_equal(read["z"], ROWS[:, 2])
    assert table.content("some.csv") == table.content("some") == table.csv()
    same = predictions_table(["a", "b"], ROWS, ["x", "file", "z"])
    with pytest.raises(UserError, match=r"two columns have the name 'file', since a class has it: take a \.csv file"):
        same.content("some.jsonl")


def test_steps_that_do_not_count_are_empty_in_every_format() -> None:
    table = predictions_table(["a"], np.array([[1.5, 2.5]], np.float32), [], lengths=np.array([1]))
    assert table.json_lines() == '{"file": "a", "prediction_0": 1.5, "prediction_1": null}\n'
    assert parquet.read_table(io.BytesIO(table.parquet()))["prediction_1"].to_pylist() == [None]
    assert table.csv().splitlines()[1] == "a,1.5,"
