from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import jaxdl
from jaxdl.data import DATA, Bits, Digits, Tfds, default_data_dir
from jaxdl.errors import UserError

ROOT = Path(jaxdl.__file__).parents[1]


def test_the_share_decides_which_splits_there_are(tmp_path):
    assert list(Digits(validation=0).load(tmp_path).splits) == ["train", "test"]
    assert list(Digits().load(tmp_path).splits) == ["train", "validation", "test"]


def test_train_examples_and_fingerprint_do_not_depend_on_the_cut(tmp_path):
    datasets = [Digits(validation=share).load(tmp_path) for share in (0, 0.1, 0.5)]
    assert len({(d.train_examples, d.fingerprint) for d in datasets}) == 1
    assert len({len(d.splits["train"]["inputs"]) for d in datasets}) == 3


def test_the_default_folder_is_that_of_tfds(monkeypatch):
    from tensorflow_datasets.core import constants

    monkeypatch.setenv("TFDS_DATA_DIR", "/some/where")
    assert default_data_dir() == Path("/some/where") == Path(constants.get_default_data_dir())
    monkeypatch.delenv("TFDS_DATA_DIR")
    assert default_data_dir() == Path(constants.get_default_data_dir())


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("digits", Digits()),
        ("bits", Bits()),
        ("mnist", Tfds("mnist")),
        ("fashion_mnist", Tfds("fashion_mnist")),
        ("emnist/letters", Tfds("emnist/letters")),
        ("emnist/letters:3.1.0", Tfds("emnist/letters:3.1.0")),
    ],
)
def test_names_make_sources(name, source):
    assert DATA.make(name) == source
    assert source.requested == name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("foldr:pictures", ["'foldr:pictures'", "'foldr:'", "fashion_mnist"]),
        ("mnist:3.0", ["'mnist:'", "mnist:3.0.1"]),
        ("Fashion MNIST", ["'Fashion MNIST'", "fashion_mnist"]),
        ("../etc", ["'../etc'"]),
        ("", ["''"]),
    ],
)
def test_a_name_of_no_known_form_is_refused_at_once(name, words):
    with pytest.raises(UserError) as error:
        DATA.make(name)
    assert all(word in str(error.value) for word in words)
    assert "\n" not in str(error.value)


def test_making_a_source_imports_nothing_heavy():
    heavy = (
        "{'pyarrow', 'tensorflow', 'tensorflow_datasets', 'array_record', 'sklearn', 'PIL', 'requests', 'matplotlib'}"
    )
    code = f"import sys, jaxdl.data as d; d.DATA.make('mnist'); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=dict(os.environ))
    assert done.stdout.strip() == "set()", done.stderr


@pytest.mark.parametrize(
    "source",
    [
        Digits(),
        Bits(train_examples=20, test_examples=7),
        jaxdl.Addition(train_examples=20, test_examples=7),
        jaxdl.Adding(length=5, train_examples=20, test_examples=7),
        jaxdl.Shapes(size=16, train_examples=20, test_examples=7),
        jaxdl.Subtraction(train_examples=20, test_examples=7),
        jaxdl.Vowels(train_examples=20, test_examples=7),
        jaxdl.Arrays(train=(np.ones((9, 2)), np.arange(9) % 2), test=(np.ones((3, 2)), np.arange(3) % 2)),
    ],
    ids=lambda source: type(source).__name__,
)
def test_sources_that_know_how_many_examples_they_have_say_so_without_loading(source, tmp_path):
    splits = source.load(tmp_path, notify=lambda line: None).splits
    assert source.known_examples(tmp_path) == sum(len(split["targets"]) for split in splits.values())


def test_of_other_sources_the_number_of_examples_is_not_known(tmp_path):
    assert Tfds("mnist").known_examples(tmp_path) is None
