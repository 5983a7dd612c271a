"""Texts in the column of a table."""

import pyarrow as pa
import pytest
from pyarrow import parquet

import jaxdl
from jaxdl.data.texts.tables import is_table, of_tables


def read(path, text="text", target="target", header=None, encoding="utf-8"):
    return of_tables({"train": path}, text, target, header, encoding)


def test_texts_stay_as_they_are_written_and_targets_are_classes(tmp_path):
    (tmp_path / "a.csv").write_text('id,text,target\n1,"a film, ""good""",pos\n2,007,neg\n3,"two\nlines",pos\n')
    found = read(tmp_path / "a.csv")
    assert found.splits["train"].texts == ['a film, "good"', "007", "two\nlines"]
    assert found.splits["train"].targets.tolist() == [1, 0, 1]
    assert found.class_names == ("neg", "pos")
    assert found.splits["train"].places[1].endswith("a.csv, row 2")


def test_numbers_with_fractions_are_to_be_predicted(tmp_path):
    parquet.write_table(pa.table({"text": ["a", None, "c"], "target": [0.5, 1.25, 3.0]}), tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet")
    assert found.class_names == ()
    assert found.splits["train"].targets.tolist() == [0.5, 1.25, 3.0]
    assert found.splits["train"].texts == ["a", "", "c"]


def test_columns_without_names(tmp_path):
    (tmp_path / "spam.tsv").write_text("ham\tsee you\nspam\twin now\n")
    found = read(tmp_path / "spam.tsv", "1", "0", header=False)
    assert found.splits["train"].texts == ["see you", "win now"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("txt,target\na,b\nc,d\n", r"has no column 'text'. Did you mean 'txt'\? .*--data.text_column=NAME"),
        ("text,tag\na,b\nc,d\n", r"has no column 'target'.* Its columns are text, tag: .*--data.target_column=NAME"),
        ("text,target\na,x\nb,\n", "row 2, column 'target': the target is missing"),
        ("text,target\na,x\nb,x\n", "the target 'target' is 'x' in every row"),
    ],
)
def test_what_is_wrong_with_a_table(tmp_path, content, message):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(jaxdl.UserError, match=message):
        read(tmp_path / "a.csv")


def test_numbers_in_the_place_of_texts_are_refused(tmp_path):
    parquet.write_table(pa.table({"text": [1, 2], "target": ["a", "b"]}), tmp_path / "a.parquet")
    with pytest.raises(jaxdl.UserError, match="row 1, column 'text': 1 is no text"):
        read(tmp_path / "a.parquet")


def test_tables_are_utf_8(tmp_path):
    (tmp_path / "a.csv").write_bytes("text,target\ncaf\u00e9,a\nb,b\n".encode("latin-1"))
    with pytest.raises(jaxdl.UserError, match="a.csv, line 2: the file is not UTF-8"):
        read(tmp_path / "a.csv")
    with pytest.raises(jaxdl.UserError, match="data.encoding=latin-1: tables are read as UTF-8"):
        read(tmp_path / "a.csv", encoding="latin-1")


def test_which_files_are_tables(tmp_path):
    names = ("a.csv", "a.TSV", "a.csv.gz", "a.parquet", "a.txt", "rt.pos", "csv")
    assert [is_table(tmp_path / name) for name in names] == [True, True, True, True, False, False, False]
