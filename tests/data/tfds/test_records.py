from __future__ import annotations

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxdl.data.tfds.records import contents, overlap, part, records
from jaxdl.errors import UserError

COUNTS = {"train": 10, "test": 4}


@pytest.fixture(scope="module")
def written(tmp_path_factory, write_set):
    splits = {name: [{"x": 100 * row + len(name)} for row in range(count)] for name, count in COUNTS.items()}
    return write_set(tmp_path_factory.mktemp("records"), {"x": np.int32}, splits)


@pytest.fixture
def prepared(written, tmp_path):
    return Path(shutil.copytree(written, tmp_path / "own" / "1.0.0"))


def values(held, expression):
    from tensorflow_datasets.proto import tf_example_pb2

    found = records(part(held, expression, "split", "own"))
    return [tf_example_pb2.Example.FromString(each).features.feature["x"].int64_list.value[0] for each in found]


def as_tfrecord(prepared):
    """Rewrites the set in TensorFlow's format."""
    from array_record.python.array_record_module import ArrayRecordReader

    for path in prepared.glob("*.array_record-*"):
        reader = ArrayRecordReader(str(path))
        content = b"".join(struct.pack("<QI", len(each), 0) + each + bytes(4) for each in reader.read_all())
        reader.close()
        path.with_name(path.name.replace("array_record", "tfrecord")).write_bytes(content)
        path.unlink()
    info = prepared / "dataset_info.json"
    info.write_text(info.read_text().replace("array_record", "tfrecord"))
    return prepared


EXPRESSIONS = [
    "train",
    "train[:80%]",
    "train[80%:]",
    "train[3:7]",
    "train[-3:]",
    "train+test",
    "test[1:]+train[:2]",
    "all",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_part_holds_the_examples_that_tfds_reads_for_it_in_both_formats(prepared, expression):
    import tensorflow_datasets as tfds

    expected = [int(each["x"]) for each in tfds.builder_from_directory(prepared).as_data_source(expression)]
    assert values(contents(prepared), expression) == expected
    assert values(contents(as_tfrecord(prepared)), expression) == expected


BOUNDS = st.integers(0, 10)


@settings(max_examples=30)
@given(st.tuples(BOUNDS, BOUNDS).map(sorted), st.tuples(BOUNDS, BOUNDS).map(sorted))
def test_parts_overlap_if_an_example_is_in_both(written, one, other):
    held = contents(written)
    sets = [set(range(*bounds)) for bounds in (one, other)]
    if not all(sets):
        return
    parts = [part(held, f"train[{a}:{b}]", "split", "own") for a, b in (one, other)]
    assert overlap(*parts) == bool(sets[0] & sets[1])
    assert not overlap(parts[0], part(held, "test", "split", "own"))
    assert overlap(parts[0], part(held, "all", "split", "own"))


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        (
            "trian[:80%]",
            r"unknown split of own for --data\.split: 'trian'\. Did you mean 'train'\? Choose from: test,",
        ),
        ("train+tset", r"unknown split of own for --data\.split: 'tset'\. Did you mean 'test'\?"),
        ("train[:11]", r"--data\.split=train\[:11\]: Requested slice \[:11\] incompatible with 10 examples\."),
        ("train[", r"--data\.split=train\[: Unrecognized split format: 'train\['"),
        ("train[:200%]", r"--data\.split=train\[:200%\]: When unit=%, percent slice boundaries should be in"),
        ("train[5:5]", r"--data\.split=train\[5:5\]: this part of own has no examples"),
        ("train[7:3]", r"--data\.split=train\[7:3\]: this part of own has no examples"),
        ("train[7:3]+test", r"--data\.split=train\[7:3\]\+test: this part of own has no examples"),
        ("all[:5]", r"--data\.split=all\[:5\]: "),
        ("", r"unknown split of own for --data\.split: ''"),
    ],
)
def test_an_expression_that_names_no_examples_is_refused(written, expression, words):
    with pytest.raises(UserError, match=words) as error:
        part(contents(written), expression, "split", "own")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_file_of_array_record_that_was_copied_half_is_not_taken_for_an_empty_one(prepared, share):
    path = next(prepared.glob("*train*"))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ValueError, match=r"own-train\.array_record-00000-of-00001 is cut short.*has 0 of 10"):
        values(contents(prepared), "train")


@pytest.mark.parametrize("cut", [1, 5, 20, 200])
def test_a_file_of_tfrecord_that_was_copied_half_is_noticed(prepared, cut):
    path = next(as_tfrecord(prepared).glob("*train*"))
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(ValueError, match=r"own-train\.tfrecord-00000-of-00001 is cut short"):
        values(contents(prepared), "train")


def test_the_file_of_another_set_is_noticed_by_its_number_of_examples(prepared):
    train, test = (next(prepared.glob(f"*{split}*")) for split in COUNTS)
    shutil.copy(test, train)
    with pytest.raises(ValueError, match=r"is cut short or of another set: it has 4 of 10 examples"):
        values(contents(prepared), "train")


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"splits": 3}', '{"featuresDict": []}'])
def test_a_damaged_description_is_named(prepared, name, content):
    (prepared / name).write_text(content)
    with pytest.raises(UserError, match=r"damaged|unknown split|1\.0\.0") as error:
        part(contents(prepared), "train", "split", "own")
    assert "\n" not in str(error.value)
