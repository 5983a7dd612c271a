"""The fingerprint and the file that are made while pictures are decoded are those of the decoded pictures."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.data.folders import beside
from jaxdl.data.folders.beside import Beside
from jaxdl.data.spec import fingerprint

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
        with Beside(inputs, cut(inputs), folder / "inputs.npy") as work:
            for count in [*reached, 11]:
                inputs[:count] = PIXELS[:count]
                work.reach(count)
    finally:
        beside._STEP_BYTES = before
    assert work.results() == (digest(cut(PIXELS)), folder / "inputs.npy")
    assert np.array_equal(np.load(folder / "inputs.npy", allow_pickle=False), PIXELS)


@pytest.mark.parametrize("given_up", [False, True])
def test_without_all_rows_there_is_nothing_and_no_thread_is_left(tmp_path: Path, given_up):
    inputs = PIXELS.copy()
    with Beside(inputs, cut(inputs), tmp_path / "inputs.npy") as work:
        work.reach(5)
        if given_up:
            work.give_up()
            work.reach(11)
    assert work.results() is None
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("beside decoding")]
    assert not list(tmp_path.iterdir()), "what was written of them takes no room any more"


def test_a_full_disk_costs_the_file_alone(tmp_path: Path, monkeypatch):
    def write(self, examples):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jaxdl.data.npy.Writer.write", write)
    with Beside(PIXELS, cut(PIXELS), tmp_path / "inputs.npy") as work:
        work.reach(len(PIXELS))
    assert work.results() == (digest(cut(PIXELS)), None)
    assert not list(tmp_path.iterdir())
