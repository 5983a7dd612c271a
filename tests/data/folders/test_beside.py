"""The fingerprint and the files that are made while pictures are decoded are those of the decoded pictures."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.data.folders import beside, reading
from jaxdl.data.folders.beside import Beside
from jaxdl.data.folders.listing import list_folder
from jaxdl.data.kept import load
from jaxdl.data.spec import fingerprint
from tests.data.pictures import classes, gray, picture

PIXELS = np.random.RandomState(0).randint(0, 256, (11, 3, 2, 3)).astype(np.uint8)


def cut(inputs, ends=(6, 8)):
    parts = dict(zip(("train", "validation", "test"), np.split(inputs, ends), strict=True))
    return {name: {"inputs": part, "targets": np.arange(len(part))} for name, part in parts.items() if len(part)}


def digest(splits):
    return fingerprint(splits["train"], splits.get("test"), splits.get("validation"))


@given(st.lists(st.integers(1, 10), unique=True).map(sorted), st.integers(1, 60))
def test_however_the_rows_arrive_it_is_the_fingerprint_of_all(tmp_path_factory, reached, step):
    folder, inputs = tmp_path_factory.mktemp("drafts"), np.zeros_like(PIXELS)
    before = beside._STEP_BYTES
    beside._STEP_BYTES = step
    try:
        with Beside(inputs, cut(inputs), folder) as work:
            for count in [*reached, 11]:
                inputs[:count] = PIXELS[:count]
                work.reach(count)
    finally:
        beside._STEP_BYTES = before
    found = work.results()
    assert found is not None
    assert found[0] == digest(cut(PIXELS))
    for name, arrays in cut(PIXELS).items():
        assert np.array_equal(np.load(found[1][name], allow_pickle=False), arrays["inputs"])


@pytest.mark.parametrize("given_up", [False, True])
def test_without_all_rows_there_is_nothing_and_no_thread_is_left(tmp_path: Path, given_up):
    inputs = PIXELS.copy()
    with Beside(inputs, cut(inputs), tmp_path) as work:
        work.reach(5)
        if given_up:
            work.give_up()
            work.reach(11)
    assert work.results() is None
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("beside decoding")]
    assert not list(tmp_path.iterdir()), "what was written of them takes no room any more"


def test_a_full_disk_costs_the_files_alone(tmp_path: Path, monkeypatch):
    def write(self, examples):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jaxdl.data.npy.Writer.write", write)
    with Beside(PIXELS, cut(PIXELS), tmp_path) as work:
        work.reach(len(PIXELS))
    assert work.results() == (digest(cut(PIXELS)), {})
    assert not list(tmp_path.iterdir())


def decoded(root, drafts, *, skip=False):
    return reading.decode(list_folder(root), (4, 4), None, "stretch", lambda line: None, drafts, skip=skip)


@pytest.mark.parametrize("what", ["colour", "gray", "first gray", "one skipped"])
def test_decoding_beside_it_changes_nothing(tmp_path: Path, what):
    root = classes(tmp_path / "set", 5, ("a", "b"))
    if what == "one skipped":
        (root / "a" / "2.png").write_bytes(b"")
    for path in sorted(root.glob("*/*.png")) if what == "gray" else [root / "a" / "0.png"] * (what == "first gray"):
        gray(path)
    (tmp_path / "drafts").mkdir()
    found, alone = decoded(root, tmp_path / "drafts", skip=True), decoded(root, None, skip=True)
    assert (found.spec, found.fingerprint, found.lines) == (alone.spec, alone.fingerprint, alone.lines)
    assert found.spec.input_shape[-1] == (1 if what == "gray" else 3)
    assert bool(found.drafts) == (what == "colour")
    assert digest(found.splits) == found.fingerprint
    assert not found.splits["train"]["inputs"].flags.writeable


def test_what_is_kept_is_what_was_decoded(tmp_path: Path):
    """Through the cache: the files that were written meanwhile are read by the next training."""
    root = tmp_path / "set"
    for split, count in (("train", 7), ("val", 2), ("test", 3)):
        for number in range(count):
            picture(root / split / "a" / f"{number}.png", (number, 50, 9))
            picture(root / split / "b" / f"{number}.png", (90, number, 9))
    made = list[bool]()

    def make(listing, drafts, on_disk):
        made.append(True)
        return decoded(root, drafts)

    first, again = (
        reading.read("fields", lambda: list_folder(root), make, tmp_path / "cache", lambda line: None) for _ in range(2)
    )
    assert made == [True]
    assert first.drafts and not again.drafts
    assert first.fingerprint == again.fingerprint == digest(again.splits)
    files = sorted(path.name.rpartition("-")[0] for path in (tmp_path / "cache").glob("*.npy"))
    assert files == [f"{split}-{name}" for split in ("test", "train", "validation") for name in ("inputs", "targets")]
    assert load(tmp_path / "cache", "x") is None
