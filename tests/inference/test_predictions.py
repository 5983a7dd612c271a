"""Predictions as CSV."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from jaxdl.inference import predictions_csv


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
