"""Pictures are decoded into the file that is kept, or into memory: the result is the same."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

import jaxdl
from jaxdl.data.folders import filling, reading
from jaxdl.data.folders.listing import list_folder
from jaxdl.data.kept import load
from jaxdl.data.mapped import can_be_mapped
from jaxdl.data.spec import fingerprint
from jaxdl.errors import UserError
from tests.data.pictures import classes, gray, picture

LOCAL = pytest.mark.skipif(not can_be_mapped(Path(tempfile.gettempdir())), reason="files are not mapped there")


def digest(splits):
    return fingerprint(splits["train"], splits.get("test"), splits.get("validation"))


def decoded(root, drafts, *, skip=False):
    return reading.decode(list_folder(root), (4, 4), None, "stretch", lambda line: None, drafts, skip=skip)


@pytest.fixture(params=[pytest.param(True, marks=LOCAL), False])
def mapped(request, monkeypatch) -> bool:
    """Whether files can be mapped."""
    monkeypatch.setattr(filling, "can_be_mapped", lambda folder: request.param)
    monkeypatch.setattr("jaxdl.data.mapped.can_be_mapped", lambda folder: request.param)
    return request.param


def is_mapped(array: np.ndarray) -> bool:
    """Returns whether an array lies in a map of a file, by what the system says of its address."""
    at = array.ctypes.data
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last = (int(number, 16) for number in line.split()[0].split("-"))
        if first <= at < last:
            return ".npy" in line
    return False


def split_pictures(root: Path) -> Path:
    for split, count in (("train", 7), ("val", 2), ("test", 3)):
        for number in range(count):
            picture(root / split / "a" / f"{number}.png", (number, 50, 9))
            picture(root / split / "b" / f"{number}.png", (90, number, 9))
    return root


@pytest.mark.parametrize("what", ["colour", "gray", "first gray", "one skipped"])
def test_where_they_are_decoded_to_changes_nothing(tmp_path: Path, mapped, what):
    root = classes(tmp_path / "set", 5, ("a", "b"))
    if what == "one skipped":
        (root / "a" / "2.png").write_bytes(b"")
    for path in sorted(root.glob("*/*.png")) if what == "gray" else [root / "a" / "0.png"] * (what == "first gray"):
        gray(path)
    (tmp_path / "drafts").mkdir()
    found, alone = decoded(root, tmp_path / "drafts", skip=True), decoded(root, None, skip=True)
    assert (found.spec, found.fingerprint, found.lines) == (alone.spec, alone.fingerprint, alone.lines)
    assert found.spec.input_shape[-1] == (1 if what == "gray" else 3)
    assert np.array_equal(found.splits["train"]["inputs"], alone.splits["train"]["inputs"])
    usable = what == "colour" or (mapped and what == "first gray")
    assert [path.name for path in (tmp_path / "drafts").iterdir()] == ["inputs.npy"] * usable
    assert (found.draft is not None) == usable
    assert digest(found.splits) == found.fingerprint
    assert not found.splits["train"]["inputs"].flags.writeable
    assert is_mapped(found.splits["train"]["inputs"]) == (usable and mapped)


def test_what_is_kept_is_what_was_decoded(tmp_path: Path, mapped):
    """Through the cache: the file that was filled is read by the next training."""
    root, cache = split_pictures(tmp_path / "set"), tmp_path / "cache"
    made = list[bool]()

    def make(listing, drafts, on_disk):
        made.append(True)
        return decoded(root, drafts)

    first, again = (reading.read("fields", lambda: list_folder(root), make, cache, lambda line: None) for _ in range(2))
    assert made == [True]
    assert first.fingerprint == again.fingerprint == digest(again.splits) == decoded(root, None).fingerprint
    files = sorted(path.name.rpartition("-")[0] for path in cache.glob("*.npy"))
    assert files == ["inputs", "test-targets", "train-targets", "validation-targets"]
    assert is_mapped(again.splits["test"]["inputs"]) == is_mapped(first.splits["test"]["inputs"]) == mapped
    for name, count in (("train", 14), ("validation", 4), ("test", 6)):
        assert np.array_equal(first.splits[name]["inputs"], again.splits[name]["inputs"])
        assert len(again.splits[name]["inputs"]) == count
    streamed = reading.read("fields", lambda: list_folder(root), make, cache, print, lambda listing: True)
    assert made == [True] and streamed.fingerprint == first.fingerprint
    assert np.array_equal(np.asarray(streamed.splits["test"]["inputs"]), first.splits["test"]["inputs"])
    assert load(cache, "x") is None


def test_what_was_kept_may_be_removed_or_replaced_while_it_is_used(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = classes(tmp_path / "set")

    def loaded():
        return jaxdl.Folder(str(root), size=4, validation=0.0, test=0.0).load(notify=None)

    first, again = loaded(), loaded()
    held = [each.splits["train"]["inputs"] for each in (first, again)]
    expected = held[0].copy()
    for file in (tmp_path / "cache").glob("**/*.npy"):
        file.unlink()
    anew = loaded()
    picture(root / "red" / "0.png", (7, 7, 7))
    assert loaded().fingerprint != first.fingerprint
    assert anew.fingerprint == again.fingerprint == first.fingerprint
    assert all(np.array_equal(each, expected) for each in (*held, anew.splits["train"]["inputs"]))


@LOCAL
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_full_disk_costs_only_what_is_kept(tmp_path: Path, monkeypatch, when):
    """Room is taken before; a quota, or a disk that fails, may be noticed later."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = classes(tmp_path / "set", 9)
    expected = decoded(root, None)
    problem, really = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), os.pwrite

    def refused(*given, **named):
        raise problem

    def written(file, content, place):
        return refused() if place > 500 else really(file, content, place)

    monkeypatch.setattr(os, *("posix_fallocate", refused) if when == "before" else ("pwrite", written))
    monkeypatch.setattr("jaxdl.data.npy.Writer.write", refused)
    monkeypatch.setattr(np, "save", refused)
    lines: list[str] = []
    found = jaxdl.Folder(str(root), size=4, validation=0.0, test=0.0).load(notify=lines.append)
    assert found.fingerprint == expected.fingerprint
    assert np.array_equal(found.splits["train"]["inputs"], expected.splits["train"]["inputs"])
    assert ["not kept: No space left on device" in line for line in lines] == [True]
    assert not list((tmp_path / "cache").glob("**/*.npy"))


def test_a_picture_that_cannot_be_read_ends_it_as_before(tmp_path: Path, mapped):
    root = classes(tmp_path / "set", 5, ("a", "b"))
    (root / "b" / "1.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"b/1\.png: .*on_bad=skip"):
        decoded(root, tmp_path)
