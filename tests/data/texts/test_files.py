"""Where texts lie: folders of classes, files of classes, tables, one running text."""

from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.data.texts.files import Reading, class_names, files_below, find_texts

HOW = Reading()


def find(path: Path, how: Reading) -> Any:
    return find_texts(path, how)


def write(root, **files):
    for name, content in files.items():
        path = root / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["rt-polarity.neg", "rt-polarity.pos"], ["neg", "pos"]),
        (["positive.txt", "negative.txt"], ["positive", "negative"]),
        (["new york.txt", "new delhi.txt"], ["york", "delhi"]),
        (["a.b.c", "a.b.c"], ["c", "c"]),
        (["sci.space", "sci.med.txt"], ["space", "med.txt"]),
        (["pos", "neg"], ["pos", "neg"]),
        (["wiki.train.tokens", "wiki.valid.tokens"], ["train", "valid"]),
    ],
)
def test_classes_are_what_the_names_of_files_do_not_have_in_common(names, classes):
    assert class_names(names) == classes


def test_a_file_for_each_class_has_an_example_in_each_line(tmp_path):
    write(tmp_path, **{"rt-polarity_neg": "bad\nworse\n", "rt-polarity_pos": "good\n", "README_txt": "about"})
    found = find(tmp_path, HOW)
    train = found.splits["train"]
    assert found.class_names == ("neg", "pos")
    assert list(train.texts) == ["bad", "worse", "good"]
    assert train.targets.tolist() == [0, 0, 1]
    assert train.places[1].endswith("rt-polarity.neg, line 2")


def test_folders_of_classes_below_folders_of_splits(tmp_path):
    write(
        tmp_path,
        train__pos__1_txt="good\nfilm",
        train__neg__1_txt="bad",
        train__unsup__1_txt="nobody knows",
        train__urls_txt="http",
        test__pos__1_txt="fine",
        test__neg__2_txt="poor",
        imdb_vocab="a b",
    )
    found = find(tmp_path, HOW)
    assert found.class_names == ("neg", "pos")
    assert {role: list(each.texts) for role, each in found.splits.items()} == {
        "train": ["bad", "good\nfilm"],
        "test": ["poor", "fine"],
    }
    assert any("texts without a label" in line for line in found.remarks)
    assert not found.problems


def test_files_of_classes_below_folders_of_splits(tmp_path):
    write(tmp_path, train__pos_txt="a\nb", train__neg_txt="c", test__pos_txt="d", test__neg_txt="e")
    found = find(tmp_path, HOW)
    assert {role: len(each.texts) for role, each in found.splits.items()} == {"train": 3, "test": 2}


def test_tables_in_a_folder_are_splits(tmp_path):
    write(tmp_path, train_csv="text,target\ngood film,pos\nbad one,neg\nfine,pos\n", test_csv="target,text\nneg,poor\n")
    found = find(tmp_path, HOW)
    assert found.splits["test"].texts == ["poor"]
    assert found.splits["test"].targets.tolist() == [0]


def test_one_file_is_one_running_text_or_an_example_in_each_line(tmp_path):
    write(tmp_path, a_txt="to be\nor not\n")
    assert find(tmp_path / "a.txt", HOW).splits["train"].texts == ["to be\nor not\n"]
    assert find(tmp_path, HOW).kind == "running"
    lines = find(tmp_path / "a.txt", Reading(lines=True))
    assert (lines.kind, list(lines.splits["train"].texts)) == ("lines", ["to be", "or not"])


def test_files_named_by_splits_are_running_texts(tmp_path):
    write(tmp_path, wiki_train_tokens="a b c", wiki_valid_tokens="d", wiki_test_tokens="e")
    found = find(tmp_path, HOW)
    assert found.kind == "running"
    assert {role: each.texts for role, each in found.splits.items()} == {
        "train": ["a b c"],
        "validation": ["d"],
        "test": ["e"],
    }


def test_a_class_that_train_does_not_have_is_a_problem(tmp_path):
    write(tmp_path, train__a__1="x", train__b__1="y", test__a__1="z", test__c__1="w")
    found = find(tmp_path, HOW)
    assert len(found.problems) == 1
    assert "the class 'c' has no text in train" in found.problems[0]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "there is no text in it"),
        ({"only__1_txt": "a"}, "only one class, 'only', to train on"),
        ({"test__a__1": "x", "test__b__1": "y"}, "no folder train"),
        ({"train__a__1": "x", "train__b__1": "y", "val__a__1": "x", "valid__b__1": "x"}, "both val and valid are of"),
        ({"train__a_txt": "x"}, "a file for each class is needed, and there is 1"),
    ],
)
def test_what_lies_there_cannot_be_used(tmp_path, files, message):
    with pytest.raises(jaxdl.UserError, match=message):
        find(write(tmp_path, **files), HOW)


def test_a_path_that_is_not_there_has_the_nearest_name(tmp_path):
    write(tmp_path, reviews_csv="text,target")
    with pytest.raises(jaxdl.UserError, match="no such file or folder. Did you mean 'reviews.csv'?"):
        find(tmp_path / "review.csv", HOW)


def test_files_below_a_folder_are_in_order_and_hidden_ones_left_out(tmp_path):
    write(tmp_path, b_txt="", a__c_txt="", a__a_txt="", _hidden="")
    assert [str(file.relative_to(tmp_path)) for file in files_below(tmp_path)] == ["b.txt", "a/a.txt", "a/c.txt"]
