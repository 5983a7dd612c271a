from __future__ import annotations

import pytest

from jaxdl.data.folders.names import check_label_pattern, check_pattern, list_names
from jaxdl.data.folders.sounds import SOUNDS
from jaxdl.errors import UserError

DIGITS = r"(?P<label>\d+)_(?P<group>[a-z]+)_"


def listed(root, names, label=DIGITS, test=""):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return list_names(root, label, test, SOUNDS)


def test_labels_groups_and_the_test_split_are_in_the_names(tmp_path):
    found = listed(tmp_path, ["7_ann_0.wav", "10_bob_5.flac", "more/7_bob_12.wav", "README.md"], test=r"_[0-4]\.wav$")
    assert [(p.path.name, p.split, p.target, p.group) for p in found.pictures] == [
        ("10_bob_5.flac", "train", "10", "bob"),
        ("7_bob_12.wav", "train", "7", "bob"),
        ("7_ann_0.wav", "test", "7", "ann"),
    ]
    assert found.classes == ("7", "10") and not found.problems  # whole numbers by their value


def test_a_name_is_the_path_below_the_folder(tmp_path):
    found = listed(tmp_path, ["cat/1.wav", "cat/2.wav", "dog/1.wav"], label="^(?P<label>[^/]+)/")
    assert found.classes == ("cat", "dog")


def test_a_name_without_a_label_is_a_problem_and_so_is_a_class_that_train_lacks(tmp_path):
    found = listed(tmp_path, ["1_a_.wav", "2_a_.wav", "x.wav", "3_a_test.wav"], test="test")
    assert [problem.rpartition("/")[2] for problem in found.problems[:1]] == [
        "x.wav: --data.label_pattern finds no label in this name"
    ]
    assert "the class '3' has no sound in train, but 1 in test" in found.problems[1]
    assert [picture.path.name for picture in found.pictures] == ["1_a_.wav", "2_a_.wav"]


@pytest.mark.parametrize(
    ("names", "label", "test", "message"),
    [
        ([], DIGITS, "", "there is no sound in it"),
        (["notes.txt"], DIGITS, "", "there is no sound in it"),
        (["a.wav", "b.wav"], DIGITS, "", "finds no label in any of the 2 names, such as a.wav"),
        (["1_a_.wav", "1_b_.wav"], DIGITS, "", "only one class, '1'"),
        (["1_a_.wav", "2_b_.wav"], DIGITS, "zzz", "test_pattern=zzz is found in none of the names"),
        (["1_a_.wav", "2_b_.wav"], DIGITS, "wav", "test_pattern=wav is found in all of the names"),
    ],
)
def test_what_gives_no_classes_is_named(tmp_path, names, label, test, message):
    with pytest.raises(UserError, match=message):
        listed(tmp_path, names, label, test)


def test_patterns_are_checked():
    assert check_pattern("") is None and check_label_pattern("") is None and check_label_pattern(DIGITS) is None
    assert "regular expression" in str(check_pattern("(")) and "regular expression" in str(check_label_pattern("["))
    assert "(?P<label>...)" in str(check_label_pattern(r"(\d)_"))
    assert "'speaker'" in str(check_label_pattern(r"(?P<label>\d)_(?P<speaker>\w)"))
