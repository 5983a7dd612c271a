"""MNIST's way in: from the original archives to arrays and to TFDS's own files, in one pass."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxdl
from jaxdl.data import Tfds
from jaxdl.data.tfds import idx, prepare
from jaxdl.data.tfds.archives import manual_dir
from jaxdl.data.tfds.arrays import kept
from jaxdl.data.tfds.decode import decode

ROOT = Path(jaxdl.__file__).parents[1]


def same(one, other):
    assert (one.spec, one.fingerprint, one.train_examples) == (other.spec, other.fingerprint, other.train_examples)
    for name, split in one.splits.items():
        for key, array in split.items():
            assert array.dtype == other.splits[name][key].dtype
            np.testing.assert_array_equal(array, other.splits[name][key])


def original_pairs(archives, part):
    """Reads images and labels of one part of the original archives, without the code under test."""
    with gzip.open(archives / f"{part}-images-idx3-ubyte.gz") as file:
        magic, count, height, width = struct.unpack(">4i", file.read(16))
        images = file.read()
    with gzip.open(archives / f"{part}-labels-idx1-ubyte.gz") as file:
        assert struct.unpack(">2i", file.read(8)) == (2049, count)
        labels = file.read()
    assert (magic, height, width, len(images), len(labels)) == (2051, 28, 28, count * 784, count)
    return sorted(hashlib.sha256(images[784 * i : 784 * (i + 1)] + labels[i : i + 1]).digest() for i in range(count))


@pytest.fixture(scope="module")
def mnist(prepared_mnist):
    return decode(prepared_mnist / "mnist" / "3.0.1", "mnist")


@pytest.mark.parametrize(("split", "part", "count"), [("train", "train", 60_000), ("test", "t10k", 10_000)])
def test_every_image_and_label_is_that_of_the_original_files(mnist, mnist_archives, split, part, count):
    inputs, targets = mnist.splits[split]["inputs"], mnist.splits[split]["targets"]
    assert (inputs.shape, inputs.dtype) == ((count, 28, 28, 1), np.uint8)
    assert (targets.shape, targets.dtype) == ((count,), np.int32)
    pairs = zip(inputs, targets, strict=True)
    got = sorted(hashlib.sha256(image.tobytes() + bytes([label])).digest() for image, label in pairs)
    assert got == original_pairs(mnist_archives, part)


def test_the_arrays_from_the_archives_are_those_of_the_prepared_files(mnist, prepared_mnist):
    from_archives = kept(prepared_mnist / "mnist" / "3.0.1", "mnist")
    assert from_archives is not None
    same(from_archives, mnist)


def test_nothing_decodes_an_image_again(tmp_path, link_archives, monkeypatch):
    link_archives(tmp_path)
    monkeypatch.setattr("PIL.Image.open", lambda *args: pytest.fail("an image file is opened"))
    monkeypatch.setattr("jaxdl.data.sources.tfds.decode", lambda *args: pytest.fail("the prepared files are read"))
    lines: list[str] = []
    assert Tfds("mnist").load(tmp_path, lines.append).train_examples == 60_000
    assert lines == ["Preparing mnist from its original archives: some seconds, only this once."]


def test_the_order_is_that_of_tfds(mnist):
    # The first labels that TFDS itself, with TensorFlow, writes.
    assert mnist.splits["train"]["targets"][:10].tolist() == [4, 1, 0, 7, 8, 1, 2, 7, 1, 6]
    assert mnist.fingerprint == "9d580af9ccdf19aad38bf9abf53a5b631f5852f2f732e8d5d1707fca362064e2"


def test_the_prepared_set_is_one_of_tfds_and_nothing_else_is_left(prepared_mnist):
    import tensorflow_datasets as tfds

    source = tfds.data_source("mnist", data_dir=prepared_mnist, split="test", download=False)
    assert len(source) == 10_000
    assert source[0]["image"].shape == (28, 28, 1)
    info = json.loads((prepared_mnist / "mnist" / "3.0.1" / "dataset_info.json").read_text())
    assert (info["name"], info["version"], info["fileFormat"]) == ("mnist", "3.0.1", "array_record")
    assert info["moduleName"] == "tensorflow_datasets.image_classification.mnist"
    assert sorted(path.name for path in prepared_mnist.iterdir()) == ["downloads", "mnist"]
    assert sorted(path.name for path in (prepared_mnist / "mnist").iterdir()) == ["3.0.1", "3.0.1-jaxdl"]
    assert [path.name for path in (prepared_mnist / "downloads").iterdir()] == ["manual"]


@pytest.mark.slow
def test_preparing_decoding_and_loading_need_no_tensorflow_and_start_no_backend(link_archives, tmp_path):
    link_archives(tmp_path)
    code = f"""
import sys, pathlib
from jaxdl.data import Tfds
dataset = Tfds("mnist").load(pathlib.Path({str(tmp_path)!r}), lambda line: None)
assert len(dataset.splits["test"]["inputs"]) == 10_000
assert "tensorflow_datasets" in sys.modules
assert not any(name.partition(".")[0] == "tensorflow" for name in sys.modules)
from jax._src import xla_bridge
assert not xla_bridge._backends
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "", "TFDS is kept quiet"


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist", "emnist/letters"])
def test_sets_of_mnists_format_are_known(name):
    assert idx.is_idx(prepare.builder_class(name))


def test_other_sets_are_not_of_mnists_format():
    assert not idx.is_idx(prepare.builder_class("cifar10"))


def idx_files(count, seed, classes=26):
    """Returns images, labels and the two gzip files that hold them in MNIST's format."""
    random = np.random.RandomState(seed)
    images = random.randint(0, 256, (count, 28, 28)).astype(np.uint8)
    labels = random.randint(0, classes, count).astype(np.uint8)
    packed_images = gzip.compress(struct.pack(">4i", 2051, count, 28, 28) + images.tobytes())
    packed_labels = gzip.compress(struct.pack(">2i", 2049, count) + labels.tobytes())
    return images, labels, packed_images, packed_labels


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
def test_each_set_of_four_files_is_read_from_archives_of_their_names(name, tmp_path, monkeypatch):
    from tensorflow_datasets.core.download import checksums
    from tensorflow_datasets.image_classification import mnist

    counts = {"train": 30, "t10k": 10}
    monkeypatch.setattr(mnist, "_TRAIN_EXAMPLES", counts["train"])
    monkeypatch.setattr(mnist, "_TEST_EXAMPLES", counts["t10k"])
    builder = prepare.builder_class(name)
    manual, infos, written = manual_dir(tmp_path), {}, {}
    manual.mkdir(parents=True)
    for part, count in counts.items():
        images, labels, *packed = idx_files(count, len(name) + count, classes=10)
        written[part] = images, labels
        for archive in prepare.archives(builder, name):
            if archive.file.startswith(part):
                (manual / archive.file).write_bytes(packed["labels" in archive.file])
                infos[archive.url] = checksums.compute_url_info(manual / archive.file)
                monkeypatch.setitem(checksums.get_all_url_infos(), archive.url, infos[archive.url])  # TFDS changes it
    monkeypatch.setattr(builder, "url_infos", infos)
    dataset = Tfds(name, validation=0).load(tmp_path, lambda line: None)
    for split, part in (("train", "train"), ("test", "t10k")):
        got = zip(dataset.splits[split]["inputs"], dataset.splits[split]["targets"], strict=True)
        expected = sorted((image.tobytes(), int(label)) for image, label in zip(*written[part], strict=True))
        assert sorted((image.tobytes(), int(label)) for image, label in got) == expected
    same(dataset, decode(next((tmp_path / name).glob("?.?.?")), name))


@pytest.fixture
def small_emnist(tmp_path, monkeypatch):
    """Prepares a small EMNIST, which TFDS takes for the real one, from an archive with further members of given names.

    The real archive has 536 MB. Returns the folder of the prepared set, and images and labels of each split.
    """
    from tensorflow_datasets.core.download import checksums

    builder = prepare.builder_class("emnist/letters")

    def prepare_small(further=(), extra=0):
        splits = {name: idx_files(count + extra, seed) for name, count, seed in (("train", 30, 0), ("test", 10, 1))}
        path = tmp_path / "gzip.zip"
        with zipfile.ZipFile(path, "w") as file:
            for name in further:
                file.writestr(name, "unwanted")
            for split, (_, _, images, labels) in splits.items():
                file.writestr(f"gzip/emnist-letters-{split}-images-idx3-ubyte.gz", images)
                file.writestr(f"gzip/emnist-letters-{split}-labels-idx1-ubyte.gz", labels)
        monkeypatch.setattr(builder, "url_infos", {builder.URL: checksums.compute_url_info(path)})
        config = builder.builder_configs["letters"]
        monkeypatch.setattr(config, "train_examples", 30)
        monkeypatch.setattr(config, "test_examples", 10)
        (archive,) = prepare.archives(builder, "emnist/letters")
        work, data_dir = tmp_path / "work", tmp_path / "data"
        work.mkdir()
        data_dir.mkdir()
        prepared, dataset = idx.prepare_idx(builder, "emnist/letters", {archive: path}, work)
        folder = prepare.publish(prepared, data_dir)
        same(dataset, decode(folder, "emnist/letters"))
        return folder, {split: (images, labels) for split, (images, labels, _, _) in splits.items()}

    return prepare_small


def test_emnist_is_read_from_inside_its_zip_file(tmp_path, small_emnist):
    import tensorflow_datasets as tfds

    folder, splits = small_emnist()
    assert folder == tmp_path / "data" / "emnist" / "letters" / "3.1.0"
    assert tfds.builder_from_directory(folder).info.full_name == "emnist/letters/3.1.0"
    assert (tmp_path / "data" / "emnist" / ".config" / "metadata.json").is_file()
    dataset = decode(folder, "emnist/letters")
    assert dataset.spec.outputs == 37
    for split, (images, labels) in splits.items():
        got = zip(dataset.splits[split]["inputs"], dataset.splits[split]["targets"], strict=True)
        expected = sorted(zip((image.tobytes() for image in images), labels.tolist(), strict=True))
        assert sorted((image.tobytes(), label) for image, label in got) == expected


def test_as_tfds_does_no_more_examples_are_read_than_the_set_has(small_emnist):
    """TFDS's configs say how many examples a split has, and it reads as many from the beginning of the files."""
    folder, splits = small_emnist(extra=7)
    dataset = decode(folder, "emnist/letters")
    for split, (images, _) in splits.items():
        assert len(dataset.splits[split]["inputs"]) == len(images) - 7
        got = sorted(image.tobytes() for image in dataset.splits[split]["inputs"])
        assert got == sorted(image.tobytes() for image in images[:-7])


def test_an_archive_with_fewer_examples_than_the_set_has_is_an_error(small_emnist):
    with pytest.raises(ValueError, match="hold 29 and 29 of 30"):
        small_emnist(extra=-1)


def test_an_archive_whose_members_are_called_like_places_elsewhere_writes_none_of_them(tmp_path, small_emnist):
    folder, _ = small_emnist(["../outside", "../../outside", f"{tmp_path}/outside", "gzip/../../outside", "outside"])
    assert (folder / "dataset_info.json").is_file()
    assert [path for path in tmp_path.rglob("*") if path.name == "outside"] == []
    assert not (tmp_path.parent / "outside").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "gzip.zip", "work"]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_an_idx_file_has_the_shape_that_its_header_gives(shape, seed):
    values = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    header = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "values.gz"
        path.write_bytes(gzip.compress(header + values.tobytes()))
        np.testing.assert_array_equal(idx.read_idx(path), values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an IDX file of bytes"),
        (bytes([0, 0, 13, 1, 0, 0, 0, 1, 0, 0, 0, 0]), "is not an IDX file of bytes"),  # of float32
        (bytes([0, 0, 8, 1, 0, 0, 0, 3, 1, 2]), r"holds 2 numbers, but its header says \(3,\)"),
    ],
)
def test_a_file_that_is_no_idx_file_is_refused(tmp_path, content, message):
    path = tmp_path / "values.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match=message):
        idx.read_idx(path)
