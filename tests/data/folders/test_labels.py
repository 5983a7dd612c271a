from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

import jaxdl
from jaxdl.data.folders.labels import list_labels
from jaxdl.errors import UserError
from tests.data.pictures import picture


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labelled")
    for number in range(12):
        picture(folder / f"{number}.png", (number, 0, 0))
    picture(folder / "sub" / "x.png")
    return folder


def table(folder, text, name="labels.csv"):
    (folder / name).write_text(text)
    return str(folder / name)


def names_and_targets(listing):
    return [(picture.path.name, picture.target) for picture in listing.pictures]


def test_files_and_classes_are_columns(root, tmp_path):
    listing = list_labels(root, table(tmp_path, "Label,other,File\nowl,1,3.png\ncat,2,sub/x.png\nowl,3,0.png\n"), "")
    assert listing.classes == ("cat", "owl") and not listing.problems
    assert names_and_targets(listing) == [("3.png", "owl"), ("x.png", "cat"), ("0.png", "owl")]
    assert {picture.split for picture in listing.pictures} == {"train"}


@pytest.mark.parametrize(
    ("name", "separator"), [("l.csv", ","), ("l.csv", ";"), ("l.tsv", "\t"), ("l.TSV", "\t"), ("l.txt", "\t")]
)
def test_separators_follow_the_name_and_the_header(root, tmp_path, name, separator):
    text = "\n".join(separator.join(row) for row in (("image", "target"), ("0.png", '"a b"'), ("1.png", "c")))
    assert names_and_targets(list_labels(root, table(tmp_path, text, name), "")) == [("0.png", "a b"), ("1.png", "c")]


def test_a_table_may_lie_in_the_folder(root):
    table(root, "path,class\n0.png,a\n1.png,b\n", "inside.csv")
    assert list_labels(root, "inside.csv", "").classes == ("a", "b")
    with pytest.raises(UserError, match=r"--data.labels=insid.csv: there is no such file.*Did you mean 'inside.csv'"):
        list_labels(root, "insid.csv", "")


def test_whole_numbers_are_classes_in_the_order_of_their_values(root, tmp_path):
    listing = list_labels(root, table(tmp_path, "file,label\n0.png,10\n1.png,9\n2.png,100\n3.png,9\n"), "")
    assert listing.classes == ("9", "10", "100")
    listing = list_labels(root, table(tmp_path, "file,label\n0.png,007\n1.png,7\n2.png,1\n"), "")
    assert listing.classes == ("1", "007", "7")  # the texts as they are written


def test_numbers_with_a_fraction_are_to_be_predicted(root, tmp_path):
    listing = list_labels(root, table(tmp_path, "file,label\n0.png,1\n1.png,2.5\n2.png,-3e2\n"), "")
    assert listing.classes == () and [picture.target for picture in listing.pictures] == [1.0, 2.5, -300.0]
    assert list_labels(root, table(tmp_path, "file,label\n0.png,1\n1.png,2.5\n2.png,x\n"), "").classes == (
        "1",
        "2.5",
        "x",
    )


LABELS = st.lists(st.sampled_from("abc"), min_size=2, max_size=12) | st.lists(
    st.integers(-2, 2), min_size=2, max_size=12
)


@given(labels=LABELS)
def test_parquet_is_read_as_csv_is(root, tmp_path_factory, labels):
    folder = tmp_path_factory.mktemp("tables")
    files = [f"{number}.png" for number in range(len(labels))]
    parquet.write_table(pa.table({"file": files, "label": labels}), folder / "l.parquet")
    text = table(folder, "file,label\n" + "".join(f"{f},{label}\n" for f, label in zip(files, labels, strict=True)))
    found = []
    for path in (text, str(folder / "l.parquet")):
        try:
            found.append(list_labels(root, path, ""))
        except UserError as problem:
            assert "only one class" in str(problem)
            found.append(None)
    assert found[0] == found[1]


def test_parquet_of_floats_is_a_regression(root, tmp_path):
    parquet.write_table(pa.table({"file": ["0.png", "1.png"], "target": [1.0, 2.0]}), tmp_path / "l.parquet")
    assert list_labels(root, str(tmp_path / "l.parquet"), "").classes == ()


def test_splits_and_groups_are_columns(root, tmp_path):
    rows = ["0.png,a,Train,p1", "1.png,b,train,p2", "2.png,a,val,p3", "3.png,b,validation,p4", "4.png,a,TEST,p5"]
    path = table(tmp_path, "\n".join(["file,label,split,patient", *rows]))
    listing = list_labels(root, path, "patient")
    assert [picture.split for picture in listing.pictures] == ["train"] * 2 + ["validation"] * 2 + ["test"]
    assert [picture.group for picture in listing.pictures] == ["p1", "p2", "p3", "p4", "p5"]
    with pytest.raises(UserError, match=r"no column 'patien' to cut by. Did you mean 'patient'"):
        list_labels(root, path, "patien")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("none.png,a", r"row 3: .*none.png: No such file"),
        ("sub,a", r"row 3: .*sub: this is not a file"),
        ("1.png,", "row 3: there is no label"),
        (",a", "row 3: no file is named"),
        ("0.png,b", r"row 3: .*0.png: the file stands in row 1, too"),
    ],
)
def test_bad_rows_are_named(root, tmp_path, row, problem):
    listing = list_labels(root, table(tmp_path, f"file,label\n0.png,a\n2.png,b\n{row}\n"), "")
    assert len(listing.problems) == 1 and len(listing.pictures) == 2
    with pytest.raises(UserError, match=problem):
        jaxdl.Folder(str(root), labels=str(tmp_path / "labels.csv")).load(notify=lambda line: None)


def test_numbers_that_are_none_and_unknown_splits_are_named(root, tmp_path):
    text = "file,label,split\n0.png,1.5,train\n1.png,nan,train\n2.png,inf,train\n3.png,2,dev\n4.png,2,test\n"
    listing = list_labels(root, table(tmp_path, text), "")
    assert [problem.partition(", ")[2] for problem in listing.problems] == [
        "row 2: the label is nan",
        "row 3: the label is inf",
        "row 4: the split is 'dev'; it must be train, validation or test",
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"file,label\n0.png,a,b\n", "row 1: 3 columns in the place of 2"),
        (b"file,label\n0.png,\xe9\xe8\n", "line 2: the file is not UTF-8"),
        (b"file,file,label\n0.png,1.png,a\n", "has two columns 'file'"),
        (b"name,label\n0.png,a\n", "a column file or filename or path or image is needed; its columns are name, label"),
        (b"file,path,label\n0.png,1.png,a\n", "file and path are columns of it.*leave one"),
        (b"file,label\n", "has no rows below its header"),
        (b"file,label\n0.png,a\n", "only one class, 'a',"),
        (b"file,label,split\n0.png,1.5,test\n", "no picture to train on"),
    ],
)
def test_a_table_that_is_none_is_named(root, tmp_path, content, problem):
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(UserError, match=f"labels.csv.*{problem}"):
        list_labels(root, str(tmp_path / "labels.csv"), "")
    (tmp_path / "labels.parquet").write_bytes(content)
    with pytest.raises(UserError, match="labels.parquet cannot be read as Parquet"):
        list_labels(root, str(tmp_path / "labels.parquet"), "")
    (tmp_path / "labels.xlsx").write_bytes(content)
    with pytest.raises(UserError, match=r"a table of labels is a .csv, .tsv or .parquet file"):
        list_labels(root, str(tmp_path / "labels.xlsx"), "")


def test_whole_groups_are_cut_off_and_numbers_are_standardised(root, tmp_path):
    rows = [f"{number}.png,{number / 2},{number // 3}" for number in range(12)]
    path = table(tmp_path, "\n".join(["file,target,patient", *rows]))
    data = jaxdl.Folder(str(root), size=4, labels=path, group="patient", test=0.25, validation=0.25)
    dataset = data.load(notify=lambda line: None)
    groups = {name: set((split["targets"] * 2).astype(int) // 3) for name, split in dataset.splits.items()}
    assert sorted(len(split["inputs"]) for split in dataset.splits.values()) == [3, 3, 6]
    assert sorted(group for each in groups.values() for group in each) == [0, 1, 2, 3]
    assert dataset.splits["train"]["targets"].dtype == np.float32
    np.testing.assert_allclose(dataset.spec.target.mean, dataset.splits["train"]["targets"].mean())
    assert (dataset.spec.outputs, dataset.spec.class_names) == (1, ())
    with pytest.raises(UserError, match="groups are a column of a table"):
        jaxdl.Folder(str(root), group="patient").load(notify=lambda line: None)
