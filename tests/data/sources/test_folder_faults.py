"""Folders with faults put in: whatever they are, one line names one, or all others are read and each is counted."""

from __future__ import annotations

import os
import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import jaxdl
from jaxdl.data import load_image
from jaxdl.errors import UserError
from tests.data.pictures import classes, picture


@pytest.fixture(autouse=True, scope="module")
def no_cache():
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setenv("XDG_CACHE_HOME", folder)
        yield


def bomb(path):
    """A file of 60 bytes that claims to be 20,000 pixels wide and high."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b""))


def cut(path):
    picture(path, size=(60, 50))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_jpeg(path):
    picture(path.with_suffix(".jpg"), size=(400, 300))  # which is decoded at a fraction of its size
    path.with_suffix(".jpg").write_bytes(path.with_suffix(".jpg").read_bytes()[:2000])


def floats(path):
    path = path.with_suffix(".tif")
    Image.fromarray(np.zeros((4, 4), np.float32)).save(path)


# Each puts one thing that cannot be used at (nearly) the given path, in the folder of a class.
FAULTS = {
    "empty file": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("this is not a picture"),
    "text by name": lambda path: path.with_suffix(".txt").write_text("notes"),
    "cut": cut,
    "cut JPEG": cut_jpeg,
    "bomb": bomb,
    "broken link": lambda path: path.symlink_to("nowhere"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "pipe": lambda path: os.mkfifo(path),
    "floats": floats,
    "empty class": lambda path: path.parent.with_name(f"empty {path.stem}").mkdir(),
    "beside classes": lambda path: picture(path.parent.parent / path.name),
}

# And these put what does no harm.
HARMLESS = {
    "hidden": lambda path: path.with_name(f".{path.name}").write_bytes(b""),
    "thumbs": lambda path: path.with_name("Thumbs.db").write_bytes(b""),
    "readme": lambda path: path.parent.with_name(f"README {path.stem}.md").write_text("words"),
    "loop": lambda path: path.with_suffix("").symlink_to(".."),
    "hidden folder": lambda path: path.parent.with_name(f".{path.stem}").mkdir(),
}


def load(root, **fields):
    lines: list[str] = []
    return jaxdl.Folder(str(root), size=4, test=0.0, validation=0.0, **fields).load(notify=lines.append), lines


@given(
    faults=st.lists(st.tuples(st.sampled_from(sorted(FAULTS)), st.sampled_from("ab")), max_size=5),
    harmless=st.lists(st.tuples(st.sampled_from(sorted(HARMLESS)), st.sampled_from("ab")), max_size=3),
    each=st.integers(2, 4),
)
def test_every_fault_is_named_or_counted(faults, harmless, each):
    with tempfile.TemporaryDirectory() as folder:
        root = classes(Path(folder) / "set", each, ("a", "b"))
        loops = sum(kind == "loop" for kind, _ in harmless)
        for number, (kind, name) in enumerate(faults):
            FAULTS[kind](root / name / f"fault {number}.png")
        for number, (kind, name) in enumerate(harmless):
            HARMLESS[kind](root / name / f"harmless {number}.png")
        if loops:  # a link to the folder of all classes has each class read what is below it: no fault, but no loop
            return assert_it_ends(root)
        if faults:
            with pytest.raises(UserError) as error:
                load(root)
            assert "\n" not in str(error.value)
            assert "fault" in str(error.value) or "empty" in str(error.value)
            assert "--data.on_bad=skip" in str(error.value)
        dataset, lines = load(root, on_bad="skip")
        assert np.bincount(dataset.splits["train"]["targets"]).tolist() == [each, each]
        counted = [line for line in lines if "cannot be used" in line]
        assert len(counted) == bool(faults)
        if faults:
            assert counted[0].startswith(f"{len(faults)} of the files or classes")
            assert len([line for line in lines if line.startswith("  ")]) == len(faults)


def assert_it_ends(root):
    try:
        load(root, on_bad="skip")
    except UserError as problem:
        assert "\n" not in str(problem)


@given(st.data())
def test_a_changed_byte_of_a_file_is_read_or_named(data):
    with tempfile.TemporaryDirectory() as folder:
        root = classes(Path(folder), 1, ("a", "b"))
        kind = data.draw(st.sampled_from(["png", "jpg", "gif", "webp", "tif", "bmp"]))
        path = root / "a" / f"changed.{kind}"
        Image.fromarray(np.random.RandomState(0).randint(0, 256, (9, 8, 3)).astype(np.uint8)).save(path)
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        try:
            seen = load_image(path, (4, 4, 3))
        except UserError as problem:
            assert str(problem).startswith(str(path)) and "\n" not in str(problem)
            with pytest.raises(UserError, match="changed"):
                load(root)
        else:
            dataset, _ = load(root)
            inputs = dataset.splits["train"]["inputs"]
            assert any(np.array_equal(image, np.rint(seen * 255)) for image in inputs) or inputs.shape[-1] == 1


def test_permissions_are_named(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    root = classes(tmp_path, 2, ("a", "b"))
    (root / "a" / "0.png").chmod(0)
    with pytest.raises(UserError, match=r"a/0.png: .*Permission denied"):
        load(root)
    (root / "a").chmod(0)
    with pytest.raises(UserError, match=r"cannot read .*/a: Permission denied; check the permissions"):
        load(root)
    (root / "a").chmod(0o700)
