from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from jaxdl.data import kept
from jaxdl.data.folders.listing import list_folder
from jaxdl.data.folders.reading import decode, read
from jaxdl.errors import UserError
from tests.data.pictures import classes, picture


def made(root, *, skip=False, channels=3):
    return decode(list_folder(root), (4, 4), channels, "stretch", lambda line: None, skip=skip)


def test_files_that_cannot_be_used_stop_it_or_are_listed(tmp_path):
    root = classes(tmp_path, 3, ("a", "b"))
    (root / "a" / "notes.txt").write_text("no picture")
    (root / "b" / "1.png").write_bytes((root / "b" / "0.png").read_bytes()[:-30])
    (root / "b" / "broken").symlink_to("none")
    with pytest.raises(UserError, match=r"b/broken: the link leads nowhere. Correct or remove it.*on_bad=skip"):
        made(root)
    (root / "b" / "broken").unlink()
    with pytest.raises(UserError, match=r"a/notes.txt: this is not an image file that Pillow can read. Correct"):
        made(root)
    found = made(root, skip=True)
    assert len(found.lines) == 3
    assert found.lines[0].startswith("2 of the files or classes cannot be used and are left out")
    assert [line.split(": ")[0] for line in found.lines[1:]] == [f"  {root}/a/notes.txt", f"  {root}/b/1.png"]
    assert found.splits["train"]["targets"].tolist() == [0, 0, 0, 1, 1]
    assert found.splits["train"]["inputs"].shape == (5, 4, 4, 3)


def test_no_more_than_ten_files_are_listed(tmp_path):
    root = classes(tmp_path, 3, ("a", "b"))
    for number in range(13):
        (root / "a" / f"{number}.txt").write_text("")
    assert made(root, skip=True).lines[-1] == "  and 3 more"
    assert len(made(root, skip=True).lines) == 12


@pytest.mark.parametrize("lost", ["train/a", "test/a"])
def test_a_class_or_split_whose_pictures_are_all_bad_is_named(tmp_path, lost):
    classes(tmp_path / "train", 1, ("a", "b"))
    classes(tmp_path / "test", 1, ("a",))
    (tmp_path / lost / "0.png").write_bytes(b"")
    what = "class 'a'" if lost == "train/a" else "split 'test'"
    with pytest.raises(UserError, match=f"none of the pictures of the {what} can be read"):
        made(tmp_path, skip=True)


def test_of_two_at_once_one_decodes_and_the_other_waits(tmp_path):
    """The lock is one of the open folder, so that two threads stand for two processes."""
    root, lines = classes(tmp_path / "set", 20), list[str]()
    decoded, started = [], threading.Barrier(2)

    def make(listing, drafts, on_disk):
        decoded.append(1)
        return decode(listing, (64, 64), 3, "stretch", lines.append, drafts, skip=False)

    def run(number):
        started.wait()
        return read("fields", lambda: list_folder(root), make, tmp_path / "cache", lines.append)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(run, range(2)))
    assert decoded == [1]
    assert len({each.fingerprint for each in found}) == 1
    assert sorted(path.suffix for path in (tmp_path / "cache").iterdir()) == [".json", ".npy", ".npy"]


def test_another_field_or_target_is_another_key(tmp_path):
    root, cache = classes(tmp_path / "set", 2), tmp_path / "cache"
    made_for = []

    def found(name, listed=root):
        def make(listing, drafts, on_disk):
            made_for.append(name)
            return decode(listing, (4, 4), 3, "stretch", lambda line: None, drafts, skip=False)

        return read(name, lambda: list_folder(listed), make, cache, lambda line: None)

    found("a"), found("a"), found("b"), found("b")
    assert made_for == ["a", "b"]
    (root / "red").rename(root / "yellow")
    assert found("b").spec.class_names == ("blue", "green", "yellow")
    assert made_for == ["a", "b", "b"]


def test_nothing_is_kept_without_a_cache(tmp_path):
    root = classes(tmp_path, 2)
    found = read("a", lambda: list_folder(root), lambda *given: made(root), None, lambda line: None)
    assert found.fingerprint == made(root).fingerprint
    picture(root / "red" / "0.png", (3, 3, 3))
    assert found.fingerprint != made(root).fingerprint


def test_gray_pictures_have_one_channel_only_if_all_of_train_are(tmp_path):
    classes(tmp_path, 2)
    assert made(tmp_path, channels=None).spec.input_shape == (4, 4, 3)
    one = made(tmp_path, channels=1)
    assert one.spec.input_shape == (4, 4, 1) and one.splits["train"]["inputs"].dtype == np.uint8
    assert isinstance(one, kept.Kept)


def test_pictures_that_would_not_fit_into_the_memory_are_refused(tmp_path):
    listing = list_folder(classes(tmp_path, 2))
    with pytest.raises(UserError, match=r"6 pictures of 16000000x16000000x3 take 4,608,000.0 GB of memory.*data.size"):
        decode(listing, (16_000_000, 16_000_000), 3, "stretch", lambda line: None, skip=False)
