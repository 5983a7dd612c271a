from __future__ import annotations

import gzip
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from jaxdl.data.frames import Frame, Numbers, Texts
from jaxdl.data.tables import find_tables, read_table
from jaxdl.errors import UserError


def values(frame: Frame) -> dict[str, list]:
    """Returns the columns as lists."""
    found = {}
    for name in frame.arrays:
        column = frame.column(name)
        found[name] = (
            [column.texts[code] for code in column.codes] if isinstance(column, Texts) else column.values.tolist()
        )
    return found


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "n,t\n1.5,a\n2,b\n"),
        ("bom.csv", b"\xef\xbb\xbfn,t\n1.5,a\n2,b\n"),
        ("windows.csv", "n,t\r\n1.5,a\r\n2,b"),
        ("semicolon.csv", "n;t\n1,5;a\n2;b\n"),
        ("semicolon_and_point.csv", "n;t\n1.5;a\n2;b\n"),
        ("a.tsv", "n\tt\n1.5\ta\n2\tb\n"),
        ("tab.txt", "n\tt\n1.5\ta\n2\tb\n"),
        ("spaces.csv", "n, t\n1.5, a\n 2 ,b \n"),
        ("blank_lines.csv", "\nn,t\n\n1.5,a\n\n2,b\n\n"),
        ("quotes.CSV", '"n","t"\n"1.5","a"\n"2","b"\n'),
        ("a.csv.gz", gzip.compress(b"n,t\n1.5,a\n2,b\n", mtime=0)),
    ],
)
def test_files_of_text_are_read_as_they_are_written(tmp_path, name, content) -> None:
    assert values(read_table(written(tmp_path / name, content))) == {"n": [1.5, 2], "t": ["a", "b"]}


def test_texts_may_hold_separators_quotes_and_lines_also_in_large_files(tmp_path) -> None:
    row = '"one, ""two""\nthree",1\n'
    frame = read_table(written(tmp_path / "a.csv", "t,n\n" + row * 100_000))  # more than one block of 1 MB
    column = frame.column("t")
    assert isinstance(column, Texts)
    assert (frame.rows, column.texts, bool(column.codes.any())) == (100_000, ('one, "two"\nthree',), False)


def test_a_column_whose_type_shows_late_is_read_whole(tmp_path) -> None:
    frame = read_table(written(tmp_path / "a.csv", "t,n\n" + "1,2\n" * 400_000 + "1.5,2\n"))
    column = frame.column("t")
    assert isinstance(column, Numbers)
    assert (column.values.sum(), column.kind) == (400_001.5, "float")


def test_all_formats_give_the_same_columns(tmp_path) -> None:
    n, t = np.array([1.5, -2, 1e300]), np.array(["a", "ä", "b"])
    written(tmp_path / "a.csv", "n,t\n1.5,a\n-2,ä\n1e300,b\n")
    parquet.write_table(pa.table({"n": n, "t": t}), tmp_path / "a.parquet", row_group_size=1)
    np.savez(tmp_path / "a.npz", n=n, t=t)
    np.save(tmp_path / "a.npy", np.array(list(zip(n, t, strict=True)), [("n", ">f8"), ("t", "U1")]))
    for name in ("a.csv", "a.parquet", "a.npz", "a.npy"):
        assert values(read_table(tmp_path / name)) == {"n": n.tolist(), "t": t.tolist()}, name


def test_columns_of_arrays_are_counted(tmp_path) -> None:
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.save(tmp_path / "a.npy", rows)
    assert values(read_table(tmp_path / "a.npy")) == {"0": [0, 2, 4], "1": [1, 3, 5]}
    np.savez(tmp_path / "a.npz", x=rows, y=np.array([True, False, True]))
    assert values(read_table(tmp_path / "a.npz")) == {"x_0": [0, 2, 4], "x_1": [1, 3, 5], "y": [1, 0, 1]}


def test_a_parquet_file_has_no_columns_from_the_names_of_its_folders(tmp_path) -> None:
    (tmp_path / "fold=1").mkdir()
    parquet.write_table(pa.table({"x": [1], "__index_level_0__": [0]}), tmp_path / "fold=1" / "a.parquet")
    frame = read_table(tmp_path / "fold=1" / "a.parquet")
    assert (list(frame.arrays), frame.unnamed) == (["x"], 1)


def test_a_file_without_names_is_asked_for(tmp_path) -> None:
    path = written(tmp_path / "a.csv", "5.1,3.5,setosa\n4.9,3,virginica\n")
    with pytest.raises(UserError, match="a.csv: its first line holds the number '5.1'.*--data.header=false"):
        read_table(path, header=None)
    assert values(read_table(path, header=False))["2"] == ["setosa", "virginica"]
    assert list(read_table(path, header=True).arrays) == ["5.1", "3.5", "setosa"]


def test_named_columns_stay_text(tmp_path) -> None:
    frame = read_table(written(tmp_path / "a.csv", "zip, n\n01234,1\n00123,2\n"), texts=["zip", "n"])
    assert [frame.arrays[name].to_pylist() for name in frame.arrays] == [["01234", "00123"], ["1", "2"]]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "", "is empty"),
        ("a.csv", "\n \n", "is empty"),
        ("a.csv", "a,b\n", "no rows below its header"),
        ("a.csv", "a,b\n1,2\n\n3\n4,5\n", "row 2: 1 columns in the place of 2: '3'"),
        ("a.csv", "a,b\n1,2\n3,4,5\n", "row 2: 3 columns in the place of 2: '3,4,5'"),
        ("a.csv", 'a,b\n1,2\n"x,4\n5,6\n', "row 2: 1 columns in the place of 2:.*A quote is not closed"),
        ("a.csv", "a,b\n1,2\nä,3\n".encode("latin-1"), "line 3: the file is not UTF-8 .*ä"),
        ("a.csv", "ä,b\n1,2\n".encode("latin-1"), "line 1: the file is not UTF-8"),
        ("a.csv", "a,b\n1,2\n".encode("utf-16"), "UTF-16; save it as UTF-8"),
        ("a.csv", "a,b,a\n1,2,3\n", "two columns 'a'"),
        ("a.csv", b"PK\x03\x04\x00\x00", "is no text file"),
        ("a.csv.gz", b"no gzip", "cannot be read"),
        ("a.parquet", b"PAR1", "cannot be read as Parquet"),
        ("a.npy", b"no array", "cannot be read as an array"),
        ("a.npy", pickle.dumps([1]), "cannot be read as an array"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, content, words) -> None:
    path = written(tmp_path / name, content)
    with pytest.raises(UserError, match=words) as error:
        read_table(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": np.zeros(2), "b": np.zeros(3)}, "different numbers of rows"),
        ({"a": np.zeros((2, 2, 2))}, "'a' has shape .2, 2, 2..*arrays:FILE.npz"),
        ({"a": np.zeros(2, complex)}, "'a' holds complex128"),
        ({"a": np.zeros((2, 1)), "a_0": np.zeros(2)}, "two columns 'a_0'"),
        ({"a": np.array([{}, 1], object)}, "cannot be read"),
    ],
)
def test_arrays_that_are_no_columns_are_refused(tmp_path, arrays, words) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match=words):
        read_table(tmp_path / "a.npz")


def test_a_cut_archive_is_named(tmp_path) -> None:
    stream = io.BytesIO()
    np.savez(stream, a=np.zeros(100))
    with pytest.raises(UserError, match="cannot be read"):
        read_table(written(tmp_path / "a.npz", stream.getvalue()[:-60]))
    assert not zipfile.is_zipfile(tmp_path / "a.npz")


def test_no_thread_of_pyarrow_holds_a_function_of_python(tmp_path, monkeypatch) -> None:
    # Its threads may let go of one while the process ends, which aborts it: 17 of 300 refused commands ended so.
    asked = []

    def note(path, reading, parsing, *more, **named):
        asked.append((reading.use_threads, parsing.invalid_row_handler is not None))
        return read_csv(path, reading, parsing, *more, **named)

    read_csv = arrow_csv.read_csv
    monkeypatch.setattr(arrow_csv, "read_csv", note)
    read_table(written(tmp_path / "whole.csv", "a,b\n1,2\n"))
    with pytest.raises(UserError, match="row 2"):
        read_table(written(tmp_path / "wrong.csv", "a,b\n1,2\n1,2,3\n"))
    assert asked == [(True, False), (True, False), (False, True)]


def test_splits_are_files_of_their_names(tmp_path) -> None:
    for name in ("train.csv", "Valid.tsv", "test.parquet", "notes.md", "other.csv"):
        (tmp_path / name).touch()
    assert {split: path.name for split, path in find_tables(tmp_path).items()} == {
        "train": "train.csv",
        "validation": "Valid.tsv",
        "test": "test.parquet",
    }
    assert find_tables(tmp_path / "other.csv") == {"train": tmp_path / "other.csv"}


@pytest.mark.parametrize(
    ("files", "path", "words"),
    [
        ([], "none.csv", "there is no table"),
        (["a.xlsx"], "a.xlsx", "tables are read from .csv"),
        (["test.csv"], "", "no file train.csv .*it holds test.csv"),
        (["train.csv", "train.tsv"], "", "two files for train: train.csv and train.tsv"),
        (["train.csv", "val.csv", "validation.csv"], "", "two files for validation"),
    ],
)
def test_a_path_without_a_table_is_refused(tmp_path, files, path, words) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=words):
        find_tables(tmp_path / path)
