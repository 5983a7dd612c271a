from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
