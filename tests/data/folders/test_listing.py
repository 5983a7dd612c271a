from __future__ import annotations

import os

import pytest

import jaxdl
from jaxdl.data.folders.listing import existing, file_problem, list_folder
from jaxdl.errors import UserError
from tests.data.pictures import classes, picture


def splits(listing):
    found: dict[str, list[str]] = {}
    for each in listing.pictures:
        found.setdefault(each.split, []).append(each.target)
    return {split: (len(targets), sorted(set(targets))) for split, targets in found.items()}


def test_classes_and_files_are_sorted_as_text(tmp_path):
    classes(tmp_path, 1, ("10", "9", "B", "a"))
    for name in ("10", "2", "x"):
        picture(tmp_path / "9" / f"{name}.png")
    listing = list_folder(tmp_path)
    assert listing.classes == ("10", "9", "B", "a")
    assert [each.path.name for each in listing.pictures if each.target == "9"] == ["0.png", "10.png", "2.png", "x.png"]


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Valid"])
def test_names_of_splits(tmp_path, name):
    classes(tmp_path / "train", 2, ("a", "b"))
    classes(tmp_path / name, 1, ("a", "b"))
    assert splits(list_folder(tmp_path)) == {"train": (4, ["a", "b"]), "validation": (2, ["a", "b"])}


def test_a_split_alone_is_train(tmp_path):
    classes(tmp_path / "train", 2, ("a", "b"))
    assert splits(list_folder(tmp_path)) == {"train": (4, ["a", "b"])}


def test_a_class_may_be_called_train(tmp_path):
    classes(tmp_path, 1, ("train", "car", "plane"))
    assert list_folder(tmp_path).classes == ("car", "plane", "train")


def test_other_folders_beside_splits_are_told(tmp_path):
    for name in ("train", "test", "train_augmented"):
        classes(tmp_path / name, 1, ("a", "b"))
    listing = list_folder(tmp_path)
    assert splits(listing).keys() == {"train", "test"}
    assert listing.remarks == (f"{tmp_path}: train_augmented beside the folders of splits are not read.",)


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (["test/a/0.png", "test/b/0.png"], "there is test, but no folder train"),
        (["train/a/0.png", "val/a/0.png", "valid/b/0.png"], "both val and valid are folders of the validation split"),
        (["train/0.png", "test/a/0.png"], "train: there is no folder of a class in it"),
        (["0.png"], "there is no folder of a class in it.*--data.labels=FILE"),
        (["a/0.png"], "only one class, 'a', to train on"),
        (["notes.txt"], "there is no folder of a class in it"),
    ],
)
def test_folders_without_what_is_needed_are_named(tmp_path, made, problem):
    for name in made:
        picture(tmp_path / name) if name.endswith("png") else (tmp_path / name).write_text("")
    with pytest.raises(UserError, match=problem):
        list_folder(tmp_path)


def test_pictures_beside_classes_and_empty_classes_are_problems(tmp_path):
    root = classes(tmp_path, 1, ("a", "b"))
    picture(root / "loose.JPG.png")
    (root / "empty").mkdir()
    (root / "LICENSE").write_text("free")
    listing = list_folder(root)
    assert listing.problems == (
        f"{root}/loose.JPG.png: the picture lies in no folder of a class",
        f"{root}/empty: the folder of the class 'empty' has no picture",
    )
    assert listing.classes == ("a", "b")


def test_a_class_of_test_that_train_does_not_have_is_a_problem(tmp_path):
    classes(tmp_path / "train", 2, ("a", "b"))
    classes(tmp_path / "test", 3, ("a", "c"))
    listing = list_folder(tmp_path)
    assert splits(listing) == {"train": (4, ["a", "b"]), "test": (3, ["a"])}
    assert listing.problems == (f"{tmp_path}: the class 'c' has no picture in train, but 3 in test",)


def test_a_class_that_reaches_a_folder_twice_reads_it_once(tmp_path):
    root = classes(tmp_path, 1, ("a", "b"))
    picture(root / "a" / "sub" / "x.png")
    (root / "a" / "again").symlink_to(root / "a" / "sub")
    (root / "a" / "sub" / "up").symlink_to(root / "a")
    (root / "b" / "of_a").symlink_to(root / "a")
    assert [each.target for each in list_folder(root).pictures] == ["a", "a", "b", "b", "b"]


def test_what_is_no_file_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "broken").symlink_to("none")
    assert file_problem(tmp_path / "pipe") == f"{tmp_path}/pipe: this is not a file"
    assert file_problem(tmp_path / "broken") == f"{tmp_path}/broken: the link leads nowhere"
    assert file_problem(tmp_path / "none") == f"{tmp_path}/none: No such file or directory"
    assert file_problem(picture(tmp_path / "x.png")) is None


def test_names_that_are_not_utf8_are_refused(tmp_path):
    root = classes(tmp_path, 1, ("a", "b"))
    os.mkdir(os.fsencode(root) + b"/\xff")
    with pytest.raises(UserError, match=r"the name '\\udcff' in it is not UTF-8; rename it"):
        list_folder(root)


def test_a_folder_that_exists_is_returned(tmp_path):
    assert existing(tmp_path) == tmp_path
    assert jaxdl.Folder("x").requested == "folder:x"
