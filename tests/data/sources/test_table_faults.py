"""Tables drawn at random: good ones are read as the csv module and NumPy read them, faults are named with their row."""

from __future__ import annotations

import csv
import io
import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.data import Dataset, Table
from jaxdl.errors import UserError

WORDS = st.sampled_from(["red", "green, dark", 'the "blue"', "two\nlines", "größe", "x1", "-"])
NUMBERS = st.one_of(st.integers(-1000, 1000), st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda x: round(x, 4)))
COLUMNS = st.lists(st.sampled_from(["number", "word"]), min_size=1, max_size=5)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """Draws the names and rows of a table of numbers and words, and a target of numbers."""
    kinds = draw(COLUMNS)
    count = draw(st.integers(4, 12))
    columns = [draw(st.lists(NUMBERS if kind == "number" else WORDS, min_size=count, max_size=count)) for kind in kinds]
    target = draw(st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=count, max_size=count))
    names = [f"{kind} {index}" for index, kind in enumerate(kinds)]
    rows = [[str(value) for value in row] for row in zip(*columns, target, strict=True)]
    return [*names, "target"], rows


def text(names: list[str], rows: list[list[str]], delimiter: str, end: str) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=end)
    writer.writerows([names, *rows])
    return stream.getvalue()


def load(content: bytes, suffix: str = ".csv", **fields) -> tuple[Dataset, list[str]]:
    """Returns what a table of its own in all splits gives, and what was said."""
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rows{suffix}"
        path.write_bytes(content)
        table = Table(str(path), task="regression", test=0, validation=0, **fields)
        return table.load(None, lines.append), lines


@given(table=tables(), delimiter=st.sampled_from(",;\t"), end=st.sampled_from(["\n", "\r\n"]), bom=st.booleans())
def test_good_tables_are_read_as_the_csv_module_and_numpy_do(table, delimiter, end, bom) -> None:
    names, rows = table
    content = text(names, rows, delimiter, end)
    read = list(csv.reader(io.StringIO(content, newline=""), delimiter=delimiter))
    columns = dict(zip(read[0], zip(*read[1:], strict=True), strict=True))
    expected = []
    for name, values in columns.items():
        if name != "target" and len(set(map(float, values) if name.startswith("number") else values)) > 1:
            if name.startswith("number"):
                expected.append(np.array(values, float))
            else:
                expected += [np.array(values) == word for word in sorted(set(values))]
    encoded = content.encode("utf-8-sig" if bom else "utf-8")
    if not expected or all(len(np.unique(np.float32(column))) == 1 for column in expected):
        with pytest.raises(UserError, match="all inputs are the same"):
            load(encoded)
        return
    dataset, _ = load(encoded)
    train = dataset.splits["train"]
    varying = [column for column in expected if len(np.unique(np.float32(column))) > 1]
    np.testing.assert_array_equal(train["inputs"], np.float32(np.transpose(varying)))
    np.testing.assert_array_equal(train["targets"], np.float32(columns["target"]))
    inputs = dataset.spec.preprocess(train["inputs"])
    assert np.isfinite(inputs).all()


FAULTS = ("short", "long", "missing", "text", "infinite", "latin-1", "no target", "target text")


@given(table=tables(), fault=st.sampled_from(FAULTS), data=st.data())
def test_a_fault_is_named_with_its_row(table, fault, data) -> None:
    names, rows = table
    names, rows = ["x", *names], [[str(index * 0.5), *row] for index, row in enumerate(rows)]  # a column of numbers
    place = data.draw(st.integers(0, len(rows) - 1), label="row")
    row, words = rows[place], f"rows.csv, row {place + 1}"
    match fault:
        case "short":
            rows[place] = row[:-1]
        case "long":
            rows[place] = [*row, "1"]
        case "missing":
            row[0], words = "", f"{words}, column 'x': the value is missing"
        case "text":
            row[0], words = "many", f"{words}, column 'x': 'many' is no number"
        case "infinite":
            row[0], words = "inf", f"{words}, column 'x': inf is infinite"
        case "latin-1":
            names[1], words = "ß", "rows.csv, line 1: the file is not UTF-8"
        case "no target":
            row[-1], words = "", f"{words}, column 'target': the target is missing"
        case "target text":
            row[-1], words = "none", f"{words}, column 'target': 'none' is no number"
    content = text(names, rows, ",", "\n").encode("latin-1" if fault == "latin-1" else "utf-8")
    with pytest.raises(UserError) as error:
        load(content)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@given(values=st.lists(st.one_of(st.none(), st.integers(-50, 50)), min_size=4, max_size=20), missing=st.booleans())
def test_missing_numbers_take_the_mean_of_the_others(values, missing) -> None:
    known = [value for value in values if value is not None]
    if len(set(known)) < 2:
        return
    content = "x,z,target\n" + "".join(
        f"{'' if value is None else value},{index % 3},{index / 7}\n" for index, value in enumerate(values)
    )
    dataset, _ = load(content.encode(), missing="category" if missing else "mean")
    inputs = dataset.spec.preprocess(dataset.splits["train"]["inputs"])
    array = np.array([math.nan if value is None else value for value in values])
    expected = np.nan_to_num((array - np.mean(known)) / np.std(known))
    np.testing.assert_allclose(inputs[:, 0], expected, rtol=1e-4, atol=1e-5)
    flags = missing and None in values
    assert inputs.shape[1] == 2 + flags
    if flags:
        assert inputs[:, 1].tolist() == [value is None for value in values]


@given(content=st.binary(max_size=300), suffix=st.sampled_from([".csv", ".tsv", ".parquet", ".npy", ".npz", ".csv.gz"]))
def test_any_bytes_are_read_or_refused_in_one_line(content, suffix) -> None:
    try:
        load(content, suffix)
    except UserError as error:
        assert "\n" not in str(error)


@given(content=st.text(st.sampled_from('ab1.,;"\n\r\t é?-'), max_size=80))
def test_any_text_is_read_or_refused_in_one_line(content) -> None:
    try:
        load(content.encode())
    except UserError as error:
        assert "\n" not in str(error)
