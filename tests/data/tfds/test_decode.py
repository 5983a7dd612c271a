from __future__ import annotations

import dataclasses
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import jaxdl
from jaxdl.data import fingerprint
from jaxdl.data.preprocess import Preprocess
from jaxdl.data.tfds.choice import Choice
from jaxdl.data.tfds.decode import decode, described_in
from jaxdl.errors import UserError
from tests.data.tfds.conftest import SHAPES

ROOT = Path(jaxdl.__file__).parents[1]


def same(one, other):
    assert (one.spec, one.fingerprint, one.train_examples) == (other.spec, other.fingerprint, other.train_examples)
    for name, split in one.splits.items():
        for key, array in split.items():
            assert array.dtype == other.splits[name][key].dtype
            assert np.array_equal(array, other.splits[name][key])
    return True


def expected_pairs(seed):
    random = np.random.RandomState(seed)
    images = [random.randint(0, 256, shape).astype(np.uint8) for shape in SHAPES]
    return sorted((image.tobytes(), index % 3) for index, image in enumerate(images))


def pairs(split):
    return sorted((i.tobytes(), int(t)) for i, t in zip(split["inputs"], split["targets"], strict=True))


def test_every_image_and_label_is_decoded(prepared):
    dataset = decode(prepared, "tiny")
    for seed, split in enumerate(("train", "test")):
        assert pairs(dataset.splits[split]) == expected_pairs(seed)
    assert dataset.spec.input_shape == (16, 12, 3)
    assert dataset.spec.preprocess == Preprocess(scale=1 / 255)
    assert dataset.spec.class_names == ("cat", "dog", "owl")
    assert dataset.spec.outputs == dataset.splits["train"]["targets"].max() + 1
    assert (dataset.requested, dataset.used, dataset.train_examples) == ("tiny", "tiny", 40)
    assert dataset.fingerprint == fingerprint(dataset.splits["train"], dataset.splits["test"])


def test_the_order_is_that_in_which_tfds_reads(prepared):
    import tensorflow_datasets as tfds

    source = tfds.builder_from_directory(prepared).as_data_source("train")
    split = decode(prepared, "tiny").splits["train"]
    assert all(np.array_equal(example["image"], image) for example, image in zip(source, split["inputs"], strict=True))
    assert [int(example["label"]) for example in source] == split["targets"].tolist()


def test_the_records_of_tensorflow_are_read_without_it(prepared):
    from array_record.python.array_record_module import ArrayRecordReader

    expected = decode(prepared, "tiny")
    for path in prepared.glob("*.array_record-*"):
        reader = ArrayRecordReader(str(path))
        records = b"".join(struct.pack("<QI", len(r), 0) + r + bytes(4) for r in reader.read_all())
        reader.close()
        path.with_name(path.name.replace("array_record", "tfrecord")).write_bytes(records)
        path.unlink()
    info = prepared / "dataset_info.json"
    info.write_text(info.read_text().replace("array_record", "tfrecord"))
    assert same(decode(prepared, "tiny"), expected)
    path = next(prepared.glob("*train.tfrecord-*"))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match=r"1\.0\.0 is damaged \(.* is cut short\)\. Remove it"):
        decode(prepared, "tiny")


def test_a_damaged_record_names_the_folder_and_the_way_out(prepared):
    path = next(prepared.glob("*train*"))
    content = bytearray(path.read_bytes())
    content[content.index(b"PNG") + 100] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        UserError, match=r"1\.0\.0 is damaged \(.*\)\. Remove it, and it will be prepared again\."
    ) as error:
        decode(prepared, "tiny")
    assert "\n" not in str(error.value)


def test_a_missing_record_file_is_damage(prepared):
    next(prepared.glob("*train*")).unlink()
    with pytest.raises(UserError, match="is damaged"):
        decode(prepared, "tiny")


def test_images_of_different_sizes_are_refused(tmp_path, write_image_set):
    folder = write_image_set(tmp_path, [(8, 8, 1), (8, 9, 1), (8, 8, 1)])
    with pytest.raises(UserError, match=r"tiny has images of different sizes, such as 8x[89] and 8x[89]: have"):
        decode(folder, "tiny")


def test_a_set_without_test_is_tested_on_its_validation_split(tmp_path, write_image_set):
    dataset = decode(write_image_set(tmp_path, [(4, 4, 1)] * 5, test="validation"), "tiny")
    assert list(dataset.splits) == ["train", "test"]
    assert dataset.spec.input_shape == (4, 4, 1)


def test_images_are_turned_as_they_are_for_prediction(tmp_path, write_image_set):
    exif = Image.Exif()
    exif[274] = 6  # turned by a quarter
    turned = decode(write_image_set(tmp_path / "turned", [(4, 6, 3)] * 3, exif=exif.tobytes()), "tiny")
    plain = decode(write_image_set(tmp_path / "plain", [(4, 6, 3)] * 3), "tiny")
    assert turned.spec.input_shape == (6, 4, 3)
    expected = np.rot90(plain.splits["train"]["inputs"], -1, axes=(1, 2))
    np.testing.assert_array_equal(turned.splits["train"]["inputs"], expected)


def test_a_set_with_neither_test_nor_validation_has_train_alone(tmp_path, write_image_set):
    dataset = decode(write_image_set(tmp_path, [(4, 4, 1)] * 5, test="extra"), "tiny")
    assert list(dataset.splits) == ["train"]
    assert dataset.fingerprint == fingerprint(dataset.splits["train"])


def test_a_set_that_is_no_image_classification_is_refused(prepared):
    features = prepared / "features.json"
    content = json.loads(features.read_text())
    label = content["featuresDict"]["features"]["label"]
    label["pythonClassName"] = "tensorflow_datasets.core.features.text_feature.Text"
    label["text"] = label.pop("classLabel") and {}
    features.write_text(json.dumps(content))
    with pytest.raises(
        UserError,
        match=r"tiny holds image \(Image\), label \(Text\); targets are one class label, or numbers, and label",
    ):
        decode(prepared, "tiny")


@pytest.fixture(scope="module")
def rows(tmp_path_factory, write_set):
    """A set of numbers with three splits, and more than one feature of each kind."""
    from tensorflow_datasets import features as f

    features = {
        "row": f.Tensor(shape=(3,), dtype=np.float32),
        "inside": {"age": np.int32, "packed": f.Tensor(shape=(2, 2), dtype=np.uint16, encoding="zlib")},
        "price": np.float64,
        "pair": f.Tensor(shape=(2,), dtype=np.float32),
        "flag": np.bool_,
        "label": f.ClassLabel(names=["cat", "dog"]),
        "picture": f.Tensor(shape=(2, 2, 3), dtype=np.uint8),
    }

    def example(n):
        return {
            "row": [n, n + 0.5, -n],
            "inside": {"age": n, "packed": np.full((2, 2), n + 60_000, np.uint16)},
            "price": n / 4,
            "pair": [n, -n],
            "flag": n % 2 == 0,
            "label": n % 2,
            "picture": np.full((2, 2, 3), n, np.uint8),
        }

    splits = {"train": range(20), "validation": range(100, 110), "test": range(200, 204)}
    written = {name: [example(n) for n in numbers] for name, numbers in splits.items()}
    return write_set(tmp_path_factory.mktemp("rows"), features, written, supervised=("row", "price"))


def ages(dataset, split):
    return sorted(round(float(first)) for first in dataset.splits[split]["inputs"].reshape(-1, 3)[:, 0])


def test_the_splits_of_a_set_keep_their_roles(rows):
    dataset = decode(rows, "own")
    expected = {"train": list(range(20)), "validation": list(range(100, 110)), "test": list(range(200, 204))}
    assert {split: ages(dataset, split) for split in dataset.splits} == expected
    assert dataset.fingerprint == fingerprint(*(dataset.splits[split] for split in ("train", "test", "validation")))


@pytest.mark.parametrize(
    ("choice", "sizes"),
    [
        (Choice(split="train[:80%]"), (16, 10, 4)),
        (Choice(split="train+validation[:50%]", validation_split="validation[50%:]"), (25, 5, 4)),
        (Choice(split="train[:80%]", test_split="train[80%:]"), (16, 10, 4)),
        (Choice(split="train[:10]", validation_split="train[10:15]", test_split="train[15:]+test"), (10, 5, 9)),
        (Choice(test_split="validation", validation_split="test"), (20, 4, 10)),
    ],
)
def test_splits_are_chosen_as_tfds_writes_them(rows, choice, sizes):
    dataset = decode(rows, "own", choice)
    assert tuple(len(dataset.splits[split]["targets"]) for split in ("train", "validation", "test")) == sizes
    whole = decode(rows, "own")
    assert set(ages(dataset, "train")) <= {age for split in whole.splits for age in ages(whole, split)}
    assert not set(ages(dataset, "train")) & set(ages(dataset, "test"))


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (Choice(split="train+test"), r"train \(train\+test\) and test \(test\) share examples.*--data\.split and"),
        (Choice(validation_split="train[:1]"), r"train \(train\) and validation \(train\[:1\]\) share examples"),
        (Choice(test_split="validation"), r"validation \(validation\) and test \(validation\) share examples"),
        (Choice(split="tain"), r"unknown split of own for --data\.split: 'tain'\. Did you mean 'train'\?"),
    ],
)
def test_splits_that_share_examples_or_do_not_exist_are_refused(rows, choice, words):
    with pytest.raises(UserError, match=words):
        decode(rows, "own", choice)


def test_a_set_without_train_says_which_splits_it_has(tmp_path, write_set):
    folder = write_set(tmp_path, {"x": np.float32, "y": np.float32}, {"full": [{"x": 1, "y": 2}] * 3})
    choice = Choice(inputs=("x",), targets=("y",))
    with pytest.raises(UserError, match=r"own has the splits full, and none named train: .* --data\.split=NAME"):
        decode(folder, "own", choice)
    dataset = decode(folder, "own", dataclasses.replace(choice, split="full"))
    assert list(dataset.splits) == ["train"]


def test_rows_and_numbers_to_predict_are_read_as_written(rows):
    dataset = decode(rows, "own")
    train = dataset.splits["train"]
    order = np.argsort(train["targets"])
    n = np.arange(20, dtype=np.float32)
    np.testing.assert_array_equal(train["inputs"][order], np.stack([n, n + 0.5, -n], 1))
    np.testing.assert_array_equal(train["targets"][order], n / 4)
    assert {str(array.dtype) for array in train.values()} == {"float32"}
    spec = dataset.spec
    assert (spec.input_shape, spec.input_dtype, spec.target_shape, spec.outputs) == ((3,), "float32", (), 1)
    assert spec == described_in(rows, "own")


def test_several_features_are_joined_in_the_order_that_is_given(rows):
    choice = Choice(inputs=("price", "inside"), targets=("pair", "row"))
    dataset = decode(rows, "own", choice)
    inputs, targets = dataset.splits["train"]["inputs"], dataset.splits["train"]["targets"]
    n = targets[:, :1]
    np.testing.assert_array_equal(inputs, np.concatenate([n / 4, n, *[n + 60_000] * 4], 1))
    np.testing.assert_array_equal(targets, np.concatenate([n, -n, n, n + 0.5, -n], 1))
    assert (dataset.spec.target_shape, dataset.spec.outputs) == ((5,), 5)
    assert dataset.spec == described_in(rows, "own", choice)


@pytest.mark.parametrize(("target", "classes"), [("flag", ("false", "true")), ("label", ("cat", "dog"))])
def test_labels_and_booleans_are_classes_and_a_tensor_of_bytes_is_an_image(rows, target, classes):
    dataset = decode(rows, "own", Choice(inputs=("picture",), targets=(target,)))
    train = dataset.splits["train"]
    expected = train["inputs"][:, 0, 0, 0] % 2 == (target == "label")
    np.testing.assert_array_equal(train["targets"], expected.astype(np.int32))
    assert train["targets"].dtype == np.int32
    assert (dataset.spec.class_names, dataset.spec.outputs) == (classes, 2)
    assert (dataset.spec.input_shape, dataset.spec.preprocess) == ((2, 2, 3), Preprocess(scale=1 / 255))


def test_a_size_is_for_images_alone(rows):
    with pytest.raises(UserError, match=r"own: --data\.size is for images, and its inputs are row"):
        decode(rows, "own", Choice(size=(8, 8)))
