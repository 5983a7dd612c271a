"""Sets of tensorflow-datasets with a fault: each is told in one line with the way out, and no file is lost."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaxdl.data import Tfds
from jaxdl.errors import UserError


def ignore(line):
    pass


@pytest.fixture(scope="module")
def written(tmp_path_factory, write_set):
    """A set of rows with a label, in a folder of all sets."""
    from tensorflow_datasets import features as f

    features = {"row": f.Tensor(shape=(3,), dtype=np.float32), "label": f.ClassLabel(names=["cat", "dog"])}
    splits = {
        split: [{"row": np.full(3, n + start, np.float32), "label": n % 2} for n in range(20)]
        for split, start in (("train", 0), ("test", 100))
    }
    data_dir = tmp_path_factory.mktemp("rows")
    write_set(data_dir, features, splits, supervised=("row", "label"))
    return data_dir


@pytest.fixture
def data_dir(written, tmp_path):
    return Path(shutil.copytree(written, tmp_path / "data"))


def files(folder):
    """The digest of each file that the user has, by its place."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def refused(data_dir, words, **fields):
    before = files(data_dir)
    with pytest.raises(UserError, match=words) as error:
        Tfds(fields.pop("name", "own"), **fields).load(data_dir, ignore)
    assert "\n" not in str(error.value)
    assert files(data_dir) == before
    return str(error.value)


def test_the_set_itself_is_loaded(data_dir):
    assert len(Tfds("own").load(data_dir, ignore).splits["test"]["inputs"]) == 20


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True), split=st.sampled_from(["train", "test"]))
def test_a_record_file_that_was_copied_in_part_is_named(written, tmp_path_factory, share, split):
    data_dir = Path(shutil.copytree(written, tmp_path_factory.mktemp("cut") / "data"))
    path = data_dir / "own" / "1.0.0" / f"own-{split}.array_record-00000-of-00001"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(data_dir, rf"1\.0\.0 is damaged \({path.name} is cut short.* 0 of 20 examples\)\. Remove it")


@pytest.mark.parametrize("name", ["own-train.array_record-00000-of-00001", "own-test.array_record-00000-of-00001"])
def test_a_record_file_that_is_missing_is_named(data_dir, name):
    (data_dir / "own" / "1.0.0" / name).unlink()
    refused(data_dir, rf"1\.0\.0 is damaged \({name} is missing\)\. Remove it, and it will be prepared again")


def test_a_changed_byte_of_a_record_is_noticed(data_dir):
    path = next(data_dir.rglob("own-train.*"))
    content = bytearray(path.read_bytes())
    held = np.flatnonzero(np.frombuffer(bytes(content), np.uint8))
    content[held[len(held) // 2]] ^= 1
    path.write_bytes(content)
    refused(data_dir, r"1\.0\.0 is damaged \(")


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_damaged_description_is_named(data_dir, name, content):
    (data_dir / "own" / "1.0.0" / name).write_text(content)
    refused(data_dir, rf"{name} is damaged \(.*\)\. Remove .*1\.0\.0, and it will be created again")


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
def test_a_folder_that_was_prepared_or_copied_half_is_named(data_dir, name):
    (data_dir / "own" / "1.0.0" / name).unlink()
    refused(data_dir, rf"1\.0\.0 is not a complete prepared set: {name} missing\. Copy it again, or remove it")


def test_what_an_interrupted_preparation_of_tfds_left_is_no_set(data_dir):
    (data_dir / "own" / "1.0.0").rename(data_dir / "own" / "incomplete.ABCDEF_1.0.0")
    refused(data_dir, "unknown data set 'own'")


def test_records_that_lack_what_the_description_says_are_named(data_dir):
    path = data_dir / "own" / "1.0.0" / "features.json"
    content = json.loads(path.read_text())
    features = content["featuresDict"]["features"]
    features["row"]["tensor"]["shape"]["dimensions"] = ["4"]
    path.write_text(json.dumps(content))
    refused(data_dir, r"damaged \(an example has 3 of the 4 numbers of row\)")
    features["animal"] = features.pop("label")
    features["row"]["tensor"]["shape"]["dimensions"] = ["3"]
    path.write_text(json.dumps(content))
    refused(data_dir, r"damaged \(an example has no animal\)", targets=("animal",))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "own:2.0.0"}, r"own:2\.0\.0 is not prepared in .*, which has 1\.0\.0 of it"),
        ({"name": "mnits"}, r"unknown data set 'mnits'\. Did you mean 'mnist'\?"),
        ({"name": "emnist/leters"}, r"unknown config of emnist: 'leters'\. Did you mean 'letters'\?"),
        ({"name": "mnist:9.9.9"}, r"tensorflow-datasets prepares 3\.0\.1 of mnist, not 9\.9\.9"),
        ({"split": "trian"}, r"unknown split of own for --data\.split: 'trian'\. Did you mean 'train'\?"),
        ({"test_split": "tets[:5]"}, r"unknown split of own for --data\.test_split: 'tets'\. Did you mean 'test'\?"),
        ({"split": "train[:30]"}, r"--data\.split=train\[:30\]: Requested slice \[:30\] incompatible with 20 examples"),
        ({"split": "train+test"}, r"own: train \(train\+test\) and test \(test\) share examples"),
        ({"inputs": ("rows",)}, r"unknown feature of own for --data\.inputs: 'rows'\. Did you mean 'row'\?"),
        ({"targets": ("lable",)}, r"unknown feature of own for --data\.targets: 'lable'\. Did you mean 'label'\?"),
        ({"size": 8}, r"own: --data\.size is for images, and its inputs are row"),
    ],
)
def test_what_the_set_does_not_have_is_answered_with_what_it_has(data_dir, fields, words):
    refused(data_dir, words, **fields)


def test_a_number_that_is_none_is_named(tmp_path, write_set):
    rows = [{"x": np.float32(n), "y": np.float32("nan") if n == 3 else np.float32(n)} for n in range(10)]
    write_set(tmp_path, {"x": np.float32, "y": np.float32}, {"train": rows}, supervised=("x", "y"))
    with pytest.raises(UserError, match=r"the \w+ split of own: the targets of 1 of \d examples hold NaN"):
        Tfds("own", test=0.5).load(tmp_path, ignore)


def test_a_set_of_one_example_cannot_be_cut(tmp_path, write_set):
    write_set(tmp_path, {"x": np.float32, "y": np.float32}, {"train": [{"x": 1.0, "y": 2.0}]}, supervised=("x", "y"))
    dataset = Tfds("own").load(tmp_path, ignore)
    assert list(dataset.splits) == ["train"], "a part never takes the last example"


def test_the_message_names_files_and_no_code(data_dir):
    (data_dir / "own" / "1.0.0" / "own-train.array_record-00000-of-00001").write_bytes(b"")
    message = refused(data_dir, "damaged")
    assert not re.search(r"Traceback|Error\(|0x[0-9a-f]+", message)
