from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from jaxdl.data.frames import Frame, Numbers, Texts, frame_of, number_text
from jaxdl.errors import UserError


def numbers(frame: Frame, name: str) -> tuple[list, str]:
    column = frame.column(name)
    assert isinstance(column, Numbers)
    return column.values.tolist(), column.kind


def texts(frame: Frame, name: str) -> list[str | None]:
    column = frame.column(name)
    assert isinstance(column, Texts)
    assert list(column.texts) == sorted(column.texts)
    return [None if code < 0 else column.texts[code] for code in column.codes]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3], ([1, 2, 3], "int")),
        ([True, False], ([1, 0], "bool")),
        (np.array([1.5, -2], np.float32), ([1.5, -2], "float")),
        (np.array([1, 2], np.uint8), ([1, 2], "int")),
        (pa.array([1, 2]).cast(pa.decimal128(22, 2)), ([1, 2], "float")),
        (pd.Series([4, 5], dtype="category"), ([4, 5], "int")),
    ],
)
def test_numbers_of_any_type_become_64_bit_floats(values, expected) -> None:
    assert numbers(frame_of({"x": values}, "rows"), "x") == expected


@pytest.mark.parametrize("values", [[1, None, 3], np.array([1, np.nan, 3]), pd.Series([1, None, 3], dtype="Int64")])
def test_a_missing_number_is_nan(values) -> None:
    column = frame_of({"x": values}, "rows").column("x")
    assert isinstance(column, Numbers)
    np.testing.assert_array_equal(column.values, [1, np.nan, 3])
    assert column.missing.tolist() == [False, True, False]


@pytest.mark.parametrize(
    "values",
    [
        ["b", " a ", None],
        np.array(["b", "a", None], object),
        pd.Series(["b", "a", None], dtype="category"),
        pa.chunked_array([["b"], ["a", None]]).dictionary_encode(),
        pa.array(["b", "a", None], pa.large_string()),
    ],
)
def test_texts_have_codes_of_their_sorted_texts(values) -> None:
    assert texts(frame_of({"x": values}, "rows"), "x") == ["b", "a", None]


def test_dictionaries_of_several_parts_that_differ_are_joined() -> None:
    parts = pa.chunked_array([pa.array(["b", "c"]).dictionary_encode(), pa.array(["a", "b"]).dictionary_encode()])
    assert texts(frame_of({"x": parts}, "rows"), "x") == ["b", "c", "a", "b"]


def test_numbers_become_texts_where_they_are_categories() -> None:
    frame = frame_of({"i": [10, 2, None], "f": [1.0, 2.5, np.nan], "b": [True, False, None]}, "rows")
    columns = [frame.column(name, texts=True) for name in "ifb"]
    assert [column.texts for column in columns if isinstance(column, Texts)] == [
        ("10", "2"),
        ("1", "2.5"),
        ("false", "true"),
    ]
    assert all(column.missing.tolist() == [False, False, True] for column in columns)


def test_in_a_file_of_text_signs_for_missing_values_are_missing() -> None:
    untyped = Frame("rows.csv", {"x": pa.array(["a", "?", "NA", " "]), "n": pa.array(["1", " 2", "?", "-3e1"])}, False)
    assert texts(untyped, "x") == ["a", None, None, None]
    column = untyped.column("n")
    assert isinstance(column, Numbers)
    np.testing.assert_array_equal(column.values, [1, 2, np.nan, -30])
    typed = Frame("rows.parquet", {"x": pa.array(["a", "?", "NA", "1"])})
    assert texts(typed, "x") == ["a", "?", "NA", "1"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([datetime.date(2020, 1, 31)], ["'x'", "dates", "2020-01-31", "--data.columns=-x"]),
        ([[1, 2], [3]], ["'x'", "list", "--data.columns=-x"]),
        ([b"\xe4"], ["'x'", "binary"]),
        ([2**53 + 1], ["'x'", "2**53"]),
    ],
)
def test_what_is_neither_numbers_nor_texts_is_refused(values, words) -> None:
    with pytest.raises(UserError) as error:
        frame_of({"x": values}, "rows").column("x")
    assert all(word in str(error.value) for word in ("rows", *words))


def test_numbers_and_texts_in_one_column_of_a_file_are_refused_with_the_row() -> None:
    frame = Frame("rows.csv", {"x": pa.array(["1", "2", "unknown", "4"])}, typed=False)
    with pytest.raises(UserError, match="rows.csv, row 3, column 'x': 'unknown' is no number, as 1 of the column's 4"):
        frame.column("x")
    assert frame.column("x", texts=True).missing.sum() == 0
    few = Frame("rows.csv", {"x": pa.array(["a", "b", "1"])}, typed=False)
    assert texts(few, "x") == ["a", "b", "1"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"x": [1, "a"]}, "'x' is not a list of numbers or of texts"),
        ({"x": [1, 2], "y": [1]}, "different numbers of rows"),
        ({"x": [1], " x": [1]}, "two columns 'x'"),
        ({"x": 3}, "'x' is not a list"),
    ],
)
def test_columns_that_are_none_are_refused(values, words) -> None:
    with pytest.raises(UserError, match=words):
        frame_of(values, "inputs")


def test_tables_of_pandas_and_arrow_are_frames_too() -> None:
    frame = pd.DataFrame({"n": [1.5, np.nan], "t": ["a", None]})
    for values in (frame, pa.Table.from_pandas(frame)):
        made = frame_of(values, "rows")
        assert (list(made.arrays), made.rows, texts(made, "t")) == (["n", "t"], 2, ["a", None])
        assert made.column("n").missing.tolist() == [False, True]


def test_an_unknown_column_is_told_the_nearest() -> None:
    with pytest.raises(UserError, match="data.target: rows has no column 'Prise'. Did you mean 'price'\\?"):
        frame_of({"price": [1], "size": [2]}, "rows").check_names(("Prise",), "data.target")


def test_numbers_as_names() -> None:
    assert [number_text(value) for value in (3.0, -1, 2.5, 1e20)] == ["3", "-1", "2.5", "100000000000000000000"]
