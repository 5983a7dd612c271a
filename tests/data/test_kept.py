"""What is kept is found again for its key alone; damage of every kind is tried in tests/data/tfds/test_arrays.py."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import numpy as np
import pytest

from jaxdl.data.kept import Draft, Kept, load, read_index, save
from jaxdl.data.preprocess import Preprocess
from jaxdl.data.spec import Spec, fingerprint
from jaxdl.data.stream import is_streamed

SPEC = Spec((2, 2, 1), "uint8", Preprocess(1 / 255), (), 2, ("a", "b"), fit="crop")


def split(count):
    random = np.random.RandomState(count)
    inputs = random.randint(0, 256, (count, 2, 2, 1)).astype(np.uint8)
    return {"inputs": inputs, "targets": random.randint(0, 2, count).astype(np.int32)}


@pytest.fixture
def kept():
    splits = {"train": split(5) | {"groups": np.arange(5, dtype=np.int32)}, "validation": split(2)}
    digest = fingerprint(splits["train"], None, splits["validation"])
    return Kept(SPEC, splits, digest, ("a line",))


@pytest.fixture
def folder(tmp_path, kept):
    size = save(tmp_path / "kept", "k" * 64, kept, tmp_path)
    assert size == sum(path.stat().st_size for path in (tmp_path / "kept").glob("*.npy"))
    return tmp_path / "kept"


def test_all_arrays_and_lines_come_back(folder, kept):
    found = load(folder, "k" * 64)
    assert found is not None
    assert (found.spec, found.lines, found.fingerprint) == (SPEC, ("a line",), kept.fingerprint)
    assert {name: set(arrays) for name, arrays in found.splits.items()} == {
        "train": {"inputs", "targets", "groups"},
        "validation": {"inputs", "targets"},
    }
    for name, arrays in kept.splits.items():
        assert all(np.array_equal(found.splits[name][key], array) for key, array in arrays.items())


def test_another_key_finds_nothing(folder):
    assert load(folder, "x" * 64) is None and read_index(folder, "x" * 64) is None


def test_another_key_takes_the_place(folder, kept, tmp_path):
    save(folder, "x" * 64, kept, tmp_path)
    assert load(folder, "k" * 64) is None
    assert load(folder, "x" * 64) is not None
    assert len(list(folder.iterdir())) == 6


def test_an_index_leads_to_no_other_files(folder):
    index = json.loads((folder / "index.json").read_text())
    assert set(index) == {"key", "spec", "fingerprint", "arrays", "rows", "lines", "seal"}
    index["arrays"]["../../x"] = ["inputs"]
    (folder / "index.json").write_text(json.dumps(index))
    assert load(folder, "k" * 64) is None


@pytest.mark.parametrize("field", ["lines", "spec"])
def test_a_changed_index_is_damage(folder, field):
    index = json.loads((folder / "index.json").read_text())
    index[field] = [] if field == "lines" else {**index["spec"], "fit": "pad"}
    (folder / "index.json").write_text(json.dumps(index))
    assert load(folder, "k" * 64) is None


def test_inputs_of_all_splits_may_lie_in_one_file(tmp_path, kept):
    inputs = np.concatenate([kept.splits[name]["inputs"] for name in ("train", "validation")])
    np.save(tmp_path / "draft.npy", inputs)
    draft = Draft(tmp_path / "draft.npy", {"train": (0, 5), "validation": (5, 7)})
    save(tmp_path / "kept", "k" * 64, dataclasses.replace(kept, draft=draft), tmp_path)
    assert sorted(path.name for path in (tmp_path / "kept").glob("*inputs*")) == [f"inputs-{'k' * 12}.npy"]
    for on_disk in (False, True):
        found = load(tmp_path / "kept", "k" * 64, on_disk=on_disk)
        assert found is not None and found.fingerprint == kept.fingerprint
        assert is_streamed(found.splits["train"]["inputs"]) == on_disk
        for name, arrays in kept.splits.items():
            assert all(np.array_equal(np.asarray(found.splits[name][key]), array) for key, array in arrays.items())


def test_what_an_earlier_version_kept_is_read(folder, kept):
    index = json.loads((folder / "index.json").read_text())
    del index["rows"], index["seal"]
    seal = hashlib.sha256(json.dumps(index, sort_keys=True).encode()).hexdigest()
    (folder / "index.json").write_text(json.dumps({**index, "seal": seal}))
    found = load(folder, "k" * 64)
    assert found is not None and found.fingerprint == kept.fingerprint
