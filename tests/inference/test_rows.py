from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from jaxdl.data import Preprocess, Spec
from jaxdl.data.spec import Column
from jaxdl.errors import UserError
from jaxdl.inference import read_examples
from jaxdl.inference.inputs import as_batch
from jaxdl.inference.rows import as_rows, is_table

COLUMNS = (Column("n"), Column("c", ("10", "x")), Column("m", None, True))
SPEC = Spec((5,), "float32", Preprocess(fill=True), (), 1, columns=COLUMNS)
STRICT = Spec((3,), "float32", Preprocess(), (), 1, columns=COLUMNS[:2])
EXPECTED = [[1.5, 0, 1, 7, 0], [2, 1, 0, np.nan, 1]]


def read(path: Path, spec: Spec = SPEC) -> tuple[list[str], np.ndarray, list[str]]:
    lines: list[str] = []
    names, inputs, _ = read_examples(path, spec, lines.append)
    return names, inputs, lines


def test_columns_of_a_file_are_found_by_name_in_any_order_and_others_are_ignored(tmp_path) -> None:
    (tmp_path / "a.csv").write_text("id,m,c,n\n1,7,x,1.5\n2,,10,2\n")
    (tmp_path / "a.tsv").write_text("id\tm\tc\tn\n1\t7\tx\t1.5\n2\t\t10\t2\n")
    table = pa.table({"id": [1, 2], "m": [7, None], "c": ["x", "10"], "n": [1.5, 2]})
    parquet.write_table(table, tmp_path / "a.parquet")
    for name in ("a.csv", "a.tsv", "a.parquet"):
        names, inputs, lines = read(tmp_path / name)
        np.testing.assert_array_equal(inputs, np.float32(EXPECTED))
        assert names == [f"{name}[0]", f"{name}[1]"]
        assert lines == [f"{tmp_path / name}: the model does not read id; ignored."]


@pytest.mark.parametrize("make", [dict, pd.DataFrame, pa.table])
def test_columns_come_from_mappings_and_tables(make) -> None:
    values = make({"m": [7.0, None], "more": [1, 2], "c": ["x", "10"], "n": [1.5, 2]})
    assert is_table(values)
    np.testing.assert_array_equal(as_batch(values, None, SPEC, "inputs", print)[0], np.float32(EXPECTED))


def test_numbers_are_texts_where_train_had_texts() -> None:
    assert as_rows({"n": [0], "c": [10]}, STRICT, print).tolist() == [[0, 1, 0]]


def test_arrays_are_inputs_as_stored_also_for_a_table(tmp_path) -> None:
    array = np.float32([[1, 0, 1]])
    assert not is_table(array)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", inputs=array)
    np.savez(tmp_path / "columns.npz", n=[1.0], c=["x"])
    np.save(tmp_path / "fields.npy", np.array([(1.0, "x")], [("n", "f8"), ("c", "U1")]))
    for name in ("a.npy", "a.npz", "columns.npz", "fields.npy"):
        np.testing.assert_array_equal(read(tmp_path / name, STRICT)[1], array)


def test_an_unknown_category_is_zero_everywhere_and_counted() -> None:
    lines: list[str] = []
    inputs = as_rows({"n": [1, 2, 3], "c": ["y", "z", "x"]}, STRICT, lines.append)
    assert inputs.tolist() == [[1, 0, 0], [2, 0, 0], [3, 0, 1]]
    assert lines == [
        "inputs: 2 of 3 rows have a value of 'c' that train does not have, such as 'y'; all inputs for its categories "
        "are 0 there."
    ]


def test_columns_without_names_are_counted_as_in_training(tmp_path) -> None:
    spec = Spec((2,), "float32", Preprocess(), (), 1, columns=(Column("1"), Column("0")))
    (tmp_path / "a.csv").write_text("5,6\n5,8\n")
    (tmp_path / "named.csv").write_text("0,1\n5,6\n5,8\n")
    for name in ("a.csv", "named.csv"):
        assert read(tmp_path / name, spec)[1].tolist() == [[6, 5], [8, 5]]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"N": [1], "c": ["x"]}, "inputs has no column 'n', which the model reads. Did you mean 'N'"),
        ({"z": [1]}, "no column 'n', 'c', which the model reads"),
        ({"n": [1, None], "c": ["x", "x"]}, "row 2, column 'n': the value is missing.*train with --data.missing=mean"),
        ({"n": [1, 2], "c": ["x", None]}, "row 2, column 'c': the value is missing"),
        ({"n": ["a"], "c": ["x"]}, "row 1, column 'n': 'a' is a text"),
        ({"n": [np.inf], "c": ["x"]}, "row 1, column 'n': inf is infinite"),
    ],
)
def test_rows_that_the_model_does_not_take_are_refused(values, words) -> None:
    with pytest.raises(UserError, match=words) as error:
        as_rows(values, STRICT, print)
    assert "--data.columns" not in str(error.value)


def test_columns_for_a_model_of_arrays_are_refused() -> None:
    with pytest.raises(UserError, match="not trained on a table"):
        as_batch({"n": [1]}, None, Spec((1,), "float32", Preprocess(), (), 1), "inputs")


def test_a_picture_for_a_model_of_a_table_is_refused(tmp_path) -> None:
    with pytest.raises(UserError, match=r"--input must be a table .* with the columns n, c"):
        read(tmp_path / "x.png", STRICT)
    with pytest.raises(UserError, match="none.csv cannot be read: "):
        read(tmp_path / "none.csv", STRICT)
