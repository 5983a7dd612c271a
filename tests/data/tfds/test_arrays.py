from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import jaxdl
from jaxdl.data import Tfds
from jaxdl.data.tfds.arrays import keep, kept, kept_folder, kept_spec
from jaxdl.data.tfds.decode import decode

ROOT = Path(jaxdl.__file__).parents[1]


def keep_in(prepared, tmp_path):
    drafts = tmp_path / "drafts"
    drafts.mkdir(exist_ok=True)
    dataset = decode(prepared, "tiny")
    keep(dataset, prepared, drafts)
    assert list(drafts.iterdir()) == []
    return dataset


def same(one, other):
    assert (one.spec, one.fingerprint, one.train_examples) == (other.spec, other.fingerprint, other.train_examples)
    for name, split in one.splits.items():
        for key, array in split.items():
            assert array.dtype == other.splits[name][key].dtype
            assert np.array_equal(array, other.splits[name][key])
    return True


def test_kept_arrays_are_the_same_and_nothing_else_is_left(prepared, tmp_path):
    assert kept(prepared, "tiny") is None
    dataset = keep_in(prepared, tmp_path)
    assert same(kept(prepared, "tiny"), dataset)
    files = sorted(path.name.split("-")[:2] for path in kept_folder(prepared).iterdir())
    assert len(files) == 5
    assert ["index.json"] in files


def test_loading_what_is_kept_imports_neither_tfds_nor_pillow(prepared, tmp_path):
    keep_in(prepared, tmp_path)
    code = f"""
import sys, pathlib
from jaxdl.data import Tfds
dataset = Tfds("tiny").load(pathlib.Path({str(tmp_path)!r}))
assert len(dataset.splits["test"]["inputs"]) == 40
print({{"tensorflow", "tensorflow_datasets", "array_record", "PIL", "requests", "sklearn"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=dict(os.environ))
    assert done.stdout == "set()\n", done.stderr


def test_a_changed_prepared_set_is_decoded_again(prepared, tmp_path, write_image_set):
    keep_in(prepared, tmp_path)
    other = write_image_set(tmp_path / "other", [(10, 10, 3)] * 7)
    shutil.rmtree(prepared)
    shutil.copytree(other, prepared)
    assert kept(prepared, "tiny") is None
    dataset = keep_in(prepared, tmp_path)
    assert same(kept(prepared, "tiny"), dataset)
    assert dataset.spec.input_shape == (10, 10, 3)
    assert len(list(kept_folder(prepared).iterdir())) == 5, "the old arrays are gone"


def test_a_touched_file_of_the_same_size_counts_as_a_change(prepared, tmp_path):
    keep_in(prepared, tmp_path)
    path = next(prepared.glob("*train*"))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert kept(prepared, "tiny") is None


# What a start of `{'descr': (((` leaves NumPy with is an error of Python's tokenizer.
TORN_HEADER = b"\x93NUMPY\x01\x00\x10\x00" + b"{'descr': (((((\n"
NO_INDEX = [b"[]", b"[1]", b"5", b'"key"', b"null", b"[" * 100_000]


@pytest.mark.parametrize(
    ("pattern", "content"),
    [(pattern, content) for pattern in ("index.json", "train-inputs-*") for content in (b"", b"{", b"half")]
    + [("index.json", content) for content in NO_INDEX]
    + [("train-inputs-*", TORN_HEADER)],
)
def test_damaged_kept_arrays_are_not_used(prepared, tmp_path, pattern, content):
    keep_in(prepared, tmp_path)
    next(kept_folder(prepared).glob(pattern)).write_bytes(content)
    assert kept(prepared, "tiny") is None


def test_a_flipped_bit_in_a_kept_array_is_noticed_and_the_arrays_are_made_anew(prepared, tmp_path):
    dataset = keep_in(prepared, tmp_path)
    path = next(kept_folder(prepared).glob("train-inputs-*"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    lines: list[str] = []
    assert same(Tfds("tiny", validation=0.0).load(tmp_path, lines.append), dataset)
    assert lines == ["Decoding tiny: some seconds, only this once."]
    assert same(kept(prepared, "tiny"), dataset)


def test_kept_arrays_that_were_exchanged_are_not_used(prepared, tmp_path):
    keep_in(prepared, tmp_path)
    train, test = (next(kept_folder(prepared).glob(f"{split}-targets-*")) for split in ("train", "test"))
    np.save(train, (np.load(test) + 1) % 3)
    assert kept(prepared, "tiny") is None


def test_an_index_that_says_something_else_of_an_example_is_not_used(prepared, tmp_path):
    keep_in(prepared, tmp_path)
    path = kept_folder(prepared) / "index.json"
    index = json.loads(path.read_text())
    index["spec"]["class_names"].reverse()
    path.write_text(json.dumps(index))
    assert kept(prepared, "tiny") is None
    assert kept_spec(prepared) is None


@pytest.mark.parametrize("place", ["../../", "{outside}/"])
def test_no_array_is_read_from_elsewhere(prepared, tmp_path, place):
    keep_in(prepared, tmp_path)
    folder = kept_folder(prepared)
    names = {s: {a: next(folder.glob(f"{s}-{a}-*")).name for a in ("inputs", "targets")} for s in ("train", "test")}
    for path in folder.glob("*.npy"):
        path.rename(tmp_path / path.name)
    index = json.loads((folder / "index.json").read_text())
    place = place.format(outside=tmp_path)
    index["arrays"] = {s: {a: place + name for a, name in arrays.items()} for s, arrays in names.items()}
    (folder / "index.json").write_text(json.dumps(index))
    assert kept(prepared, "tiny") is None


def test_what_an_example_is_is_known_without_loading_any(prepared, tmp_path, monkeypatch):
    dataset = keep_in(prepared, tmp_path)
    monkeypatch.setattr(np, "load", None)
    assert Tfds("tiny").spec(tmp_path) == dataset.spec


def test_a_kept_array_that_is_cut_short_is_not_used(prepared, tmp_path):
    keep_in(prepared, tmp_path)
    path = next(kept_folder(prepared).glob("train-inputs-*"))
    path.write_bytes(path.read_bytes()[:-1])
    assert kept(prepared, "tiny") is None


def test_a_test_split_without_labels_gives_way_to_a_labelled_validation_split(tmp_path, write_image_set):
    prepared = write_image_set(tmp_path, [(4, 4, 1)] * 5, test="validation", unlabelled="test")
    dataset = decode(prepared, "tiny")
    assert sorted(dataset.splits["test"]["targets"]) == [0, 0, 1, 1, 2]
    hidden = {**dataset.splits["test"], "targets": np.full(5, -1, np.int32)}
    keep(dataclasses.replace(dataset, splits={**dataset.splits, "test": hidden}), prepared, tmp_path)
    assert kept(prepared, "tiny") is None  # as earlier versions kept it
