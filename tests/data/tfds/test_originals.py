"""Sets prepared from archives of their original format, which have a few examples here and checksums of their own."""

from __future__ import annotations

import functools
import io
import tarfile
import zipfile
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from jaxdl.data import Tfds
from jaxdl.data.tfds import prepare
from jaxdl.data.tfds.archives import manual_dir
from jaxdl.data.tfds.examples import read_examples
from jaxdl.data.tfds.originals import encoded_png, preparation
from jaxdl.errors import UserError


def ignore(line):
    pass


@pytest.fixture
def put(tmp_path, monkeypatch):
    """Puts a file in the place of a set's only original archive, for which TFDS then takes it; returns its path."""
    from tensorflow_datasets.core.download import checksums

    def put(name, write):
        builder = prepare.builder_class(name)
        (archive,) = prepare.archives(builder, name)
        path = manual_dir(tmp_path) / archive.file
        path.parent.mkdir(parents=True)
        write(path)
        info = checksums.compute_url_info(path)
        monkeypatch.setattr(builder, "url_infos", {archive.url: info})
        monkeypatch.setitem(checksums.get_all_url_infos(), archive.url, info)  # TFDS changes what this returns for good
        return path

    return put


def write_tar(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))


CIFAR = {
    "cifar10": ("cifar-10-batches-bin/", [f"data_batch_{n}.bin" for n in range(1, 6)], ["test_batch.bin"], 1),
    "cifar100": ("cifar-100-binary/", ["train.bin"], ["test.bin"], 2),
}


def cifar_archive(name, path, seed=0):
    """Writes a small archive; returns labels (examples, kinds) and images of train and test in the files' order."""
    folder, train, test, kinds = CIFAR[name]
    random = np.random.RandomState(seed)
    fine, coarse = (10, 0) if name == "cifar10" else (100, 20)
    names = (
        {"batches.meta.txt": fine}
        if name == "cifar10"
        else {"coarse_label_names.txt": coarse, "fine_label_names.txt": fine}
    )
    members = {folder + file: "".join(f"class {n}\n" for n in range(count)).encode() for file, count in names.items()}
    labels, images = [], []
    for file in (*train, *test):
        count = 6
        columns = [random.randint(0, most, count) for most in ([fine] if kinds == 1 else [coarse, fine])]
        labels.append(np.stack(columns, 1).astype(np.uint8))
        images.append(random.randint(0, 256, (count, 32, 32, 3)).astype(np.uint8))
        rows = images[-1].transpose(0, 3, 1, 2).reshape(count, -1)
        members[folder + file] = np.concatenate([labels[-1], rows], 1).tobytes()
    write_tar(path, members)
    cut = len(train)
    return {
        "train": (np.concatenate(labels[:cut]), np.concatenate(images[:cut])),
        "test": (np.concatenate(labels[cut:]), np.concatenate(images[cut:])),
    }


@pytest.mark.parametrize(
    ("name", "targets", "column"), [("cifar10", (), 0), ("cifar100", (), 1), ("cifar100", ("coarse_label",), 0)]
)
def test_cifar_is_read_from_its_archive_of_the_binary_version(put, tmp_path, name, targets, column):
    written = {}
    put(name, lambda path: written.update(cifar_archive(name, path)))
    dataset = Tfds(name, targets=targets, validation=0).load(tmp_path, ignore)
    for split, (labels, images) in written.items():
        read = dataset.splits[split]
        got = sorted(
            (image.tobytes(), int(label)) for image, label in zip(read["inputs"], read["targets"], strict=True)
        )
        assert got == sorted(
            (image.tobytes(), int(label)) for image, label in zip(images, labels[:, column], strict=True)
        )
    assert dataset.spec.input_shape == (32, 32, 3)
    assert dataset.spec.class_names == tuple(f"class {n}" for n in range(dataset.spec.outputs))
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, "downloads"]
    assert [path.name for path in (tmp_path / "downloads").iterdir()] == ["manual"], "nothing unpacked is left"


def test_movie_reviews_are_read_from_their_archive(put, tmp_path):
    texts = {
        "aclImdb/train/neg/0_2.txt": b" Dull. ",
        "aclImdb/train/pos/0_9.txt": "Sch\u00f6n \u2014 <br /> ja".encode(),
        "aclImdb/train/unsup/0_0.txt": b"Who knows",
        "aclImdb/test/neg/0_1.txt": b"So dull",
        "aclImdb/test/pos/0_8.txt": b"Yes",
        "aclImdb/README": b"about",
    }
    put("imdb_reviews", lambda path: write_tar(path, texts))
    found = read_examples("imdb_reviews", tmp_path, ignore)
    pairs = {split: sorted(zip(each["text"], each["label"], strict=True)) for split, each in found.items()}
    assert pairs == {
        "train": [("Dull.", 0), ("Sch\u00f6n \u2014 <br /> ja", 1)],
        "test": [("So dull", 0), ("Yes", 1)],
        "unsupervised": [("Who knows", -1)],
    }
    dataset = Tfds("imdb_reviews", validation=0).load(tmp_path, ignore)
    assert dataset.spec.class_names == ("neg", "pos")
    coding = dataset.spec.coding
    assert coding is not None
    assert set(coding.tokens) == {"dull", ".", "sch\u00f6n", "\u2014", "<", "br", "/", ">", "ja"}
    test = dataset.splits["test"]
    shown = {
        coding.text(row[:n]): int(label)
        for row, n, label in zip(test["inputs"], test["lengths"], test["targets"], strict=True)
    }
    assert shown == {"<unknown> dull": 0, "<unknown>": 1}
    assert Tfds("imdb_reviews", validation=0).spec(tmp_path) == dataset.spec


def test_sentences_of_glue_are_read_from_the_archive_of_their_config(put, tmp_path):
    def write(path):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("SST-2/train.tsv", 'sentence\tlabel\na "quoted" joy \t1\nbad \t0\nworse \t0\n')
            archive.writestr("SST-2/dev.tsv", "sentence\tlabel\nfine\t1\n")
            archive.writestr("SST-2/test.tsv", "index\tsentence\n0\tunknown\n")

    put("glue/sst2", write)
    found = read_examples("glue/sst2", tmp_path, ignore)
    pairs = {split: sorted(zip(each["sentence"], each["label"], strict=True)) for split, each in found.items()}
    assert pairs == {
        "train": [('a "quoted" joy ', 1), ("bad ", 0), ("worse ", 0)],
        "validation": [("fine", 1)],
        "test": [("unknown", -1)],
    }
    assert sorted(int(each) for each in found["train"]["idx"]) == [0, 1, 2]
    dataset = Tfds("glue/sst2", level="character", validation=0).load(tmp_path, ignore)
    assert {split: len(each["inputs"]) for split, each in dataset.splits.items()} == {"train": 3, "test": 1}
    assert dataset.spec.class_names == ("negative", "positive")


def sst2_archive(path):
    with zipfile.ZipFile(path, "w") as archive:
        for file in ("train", "dev"):
            archive.writestr(
                f"SST-2/{file}.tsv", "sentence\tlabel\n" + "".join(f"{file} {n} \t{n % 2}\n" for n in range(9))
            )
        archive.writestr("SST-2/test.tsv", "index\tsentence\n0\tunknown\n")


def cola_archive(path):
    with zipfile.ZipFile(path, "w") as archive:  # train and dev have no heads
        for file in ("train", "dev"):
            archive.writestr(f"CoLA/{file}.tsv", "".join(f"x\t{n % 2}\t*\t{file} {n}\n" for n in range(9)))
        archive.writestr("CoLA/test.tsv", "index\tsentence\n0\tunknown\n")


def imdb_archive(path):
    names = [
        f"aclImdb/{split}/{kind}/{n}_1.txt" for split in ("train", "test") for kind in ("neg", "pos") for n in range(9)
    ]
    write_tar(path, {name: f"about {name} ".encode() for name in (*names, "aclImdb/train/unsup/0_0.txt")})


@pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed: pip install tensorflow")
@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("cifar10", functools.partial(cifar_archive, "cifar10")),
        ("cifar100", functools.partial(cifar_archive, "cifar100")),
        ("glue/sst2", sst2_archive),
        ("glue/cola", cola_archive),
        ("imdb_reviews", imdb_archive),
    ],
)
def test_the_examples_and_their_order_are_those_that_tfds_writes_with_tensorflow(put, tmp_path, name, write):
    put(name, write)
    ours = read_examples(name, tmp_path, ignore)
    (tmp_path / name.partition("/")[0]).rename(tmp_path / "ours")
    prepare.prepare_with_tensorflow(prepare.builder_class(name), name, tmp_path)
    theirs = read_examples(name, tmp_path, ignore)
    assert ours.keys() == theirs.keys()
    for split, columns in ours.items():
        assert columns.keys() == theirs[split].keys()
        for key, values in columns.items():
            assert all(np.array_equal(*both) for both in zip(values, theirs[split][key], strict=True))


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("glue/sst2", ["SST-2.zip"]),
        ("glue", ["CoLA.zip"]),
        ("glue/mrpc", ["msr_paraphrase_test.txt", "msr_paraphrase_train.txt", "data_mrpc_dev_ids.tsv"]),
        ("imdb_reviews", ["aclImdb_v1.tar.gz"]),
        ("tiny_shakespeare", ["input.txt"]),
        ("spoken_digit", ["free-spoken-digit-dataset-1.0.9.tar.gz"]),
    ],
)
def test_only_the_archives_of_a_config_are_asked_for(name, files):
    assert sorted(archive.file for archive in prepare.archives(prepare.builder_class(name), name)) == sorted(files)


def test_shakespeare_is_the_original_text_in_three_parts(tmp_path, real_data):
    manual = manual_dir(tmp_path)
    manual.mkdir(parents=True)
    original = real_data / "shakespeare" / "input.txt"
    (manual / "input.txt").symlink_to(original)
    found = read_examples("tiny_shakespeare", tmp_path, ignore)
    parts = [found[split]["text"] for split in ("train", "validation", "test")]
    assert [len(texts) for texts in parts] == [1, 1, 1]
    assert "".join(text for (text,) in parts) == original.read_text()
    assert [len(text) for (text,) in parts] == [1_003_854, 55_770, 55_770]
    dataset = Tfds("tiny_shakespeare").load(tmp_path, ignore)
    assert {split: len(each["inputs"]) for split, each in dataset.splits.items()} == {
        "train": 10_038,
        "validation": 557,
        "test": 557,
    }
    assert dataset.spec.coding is not None
    assert dataset.spec.coding.text(dataset.splits["test"]["inputs"][0]) == parts[2][0][:100]


@pytest.mark.parametrize(
    ("damage", "words"), [("cut short", "is cut short: it has"), ("altered", "is altered: its sha256 is")]
)
def test_an_archive_that_is_no_original_is_refused_and_kept(put, tmp_path, damage, words):
    path = put("cifar10", lambda path: cifar_archive("cifar10", path))
    content = path.read_bytes()
    changed = content[:-1] if damage == "cut short" else content[:-1] + bytes([content[-1] ^ 1])
    path.write_bytes(changed)
    with pytest.raises(UserError, match=words):
        Tfds("cifar10").load(tmp_path, ignore)
    assert path.read_bytes() == changed
    assert not (tmp_path / "cifar10").exists()


def test_what_goes_wrong_inside_of_tfds_is_told_in_one_line_and_nothing_is_left(put, tmp_path):
    path = put("cifar10", lambda path: write_tar(path, {"cifar-10-batches-bin/batches.meta.txt": b"cat\n"}))
    with pytest.raises(UserError, match=r"TFDS could not prepare cifar10: \w+: |cannot (read|write) .*") as error:
        Tfds("cifar10").load(tmp_path, ignore)
    assert "\n" not in str(error.value)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]


def test_other_sets_are_left_to_tensorflow():
    assert preparation(prepare.builder_class("cats_vs_dogs")) is None
    assert preparation(prepare.builder_class("cifar10_1")) is None


@pytest.mark.parametrize("shape", [(28, 28), (32, 20, 3)])
def test_an_image_is_encoded_without_loss(shape):
    pixels = np.random.RandomState(0).randint(0, 256, shape).astype(np.uint8)
    with Image.open(io.BytesIO(encoded_png(pixels))) as image:
        assert image.format == "PNG"
        assert np.array_equal(np.asarray(image), pixels)
