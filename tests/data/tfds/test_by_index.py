"""Examples of a prepared set decoded by number; whole sets are compared in tests/data/test_stream.py."""

from __future__ import annotations

import numpy as np
import pytest

from jaxdl.data.tfds import by_index
from jaxdl.data.tfds.choice import Choice
from jaxdl.data.tfds.decode import decode
from jaxdl.errors import UserError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("choice", [Choice(), Choice(split="train[10:35]", test_split="train[:10]+test")])
def test_any_examples_of_any_part_are_those_in_memory(prepared, choice):
    memory, streamed = decode(prepared, "tiny", choice), by_index.decode(prepared, "tiny", choice, lambda line: None)
    assert (memory.spec, memory.fingerprint) == (streamed.spec, streamed.fingerprint)
    for name, split in memory.splits.items():
        numbers = np.random.RandomState(0).permutation(len(split["targets"]))[:9]
        assert np.array_equal(np.asarray(streamed.splits[name]["inputs"][numbers]), split["inputs"][numbers])
        assert np.array_equal(streamed.splits[name]["targets"], split["targets"])


def test_targets_are_read_once(prepared, monkeypatch):
    first = by_index.decode(prepared, "tiny", Choice(), lambda line: None)
    monkeypatch.setattr(by_index, "targets_of", lambda *given: pytest.fail("the targets were read again"))
    again = by_index.decode(prepared, "tiny", Choice(), lambda line: None)
    assert np.array_equal(first.splits["train"]["targets"], again.splits["train"]["targets"])


def test_a_file_that_is_cut_short_is_damage(prepared):
    dataset = by_index.decode(prepared, "tiny", Choice(), lambda line: None)
    file = next(prepared.glob("*train.array_record*"))
    file.write_bytes(file.read_bytes()[:-500])
    with pytest.raises(UserError, match=r"1\.0\.0 is damaged"):
        np.asarray(by_index.decode(prepared, "tiny", Choice(), lambda line: None).splits["train"]["inputs"])
    assert len(dataset.splits["train"]["inputs"]) == 40


def test_the_kind_of_files_decides_whether_examples_have_places(prepared):
    assert by_index.decodes_by_index(prepared, "tiny", Choice())
