from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets

import jaxdl
from jaxdl.data import DATA

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("iris", "wine", "breast_cancer", "diabetes")


def loaded(name: str, **fields) -> jaxdl.Dataset:
    return type(DATA.make(name))(**fields).load(None, lambda line: None)


@pytest.mark.parametrize("name", NAMES)
def test_the_rows_are_those_of_scikit_learn_in_its_order(name) -> None:
    kwargs = {"scaled": False} if name == "diabetes" else {}
    original = getattr(datasets, f"load_{name}")(**kwargs)
    dataset = loaded(name, validation=0, test=0)
    train = dataset.splits["train"]
    np.testing.assert_array_equal(train["inputs"], original.data.astype(np.float32))
    assert [column.name for column in dataset.spec.columns] == list(original.feature_names)
    if name == "diabetes":
        np.testing.assert_array_equal(train["targets"], original.target.astype(np.float32))
        assert dataset.spec.target.mean[0] == pytest.approx(original.target.mean())
    else:
        given = original.target_names[original.target].tolist()
        assert [dataset.spec.class_names[label] for label in train["targets"]] == given
        assert list(dataset.spec.class_names) == sorted(original.target_names)


@pytest.mark.parametrize("name", NAMES)
def test_train_is_standardised(name) -> None:
    dataset = loaded(name)
    inputs = dataset.spec.preprocess(dataset.splits["train"]["inputs"])
    np.testing.assert_allclose(inputs.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(inputs.std(0), 1, atol=1e-4)
    plain = loaded(name, standardize=False).spec
    assert (plain.preprocess.mean, plain.target.mean) == ((), ())


def test_each_class_has_its_share_of_every_split() -> None:
    counts = {name: np.bincount(split["targets"]).tolist() for name, split in loaded("iris").splits.items()}
    assert counts == {"train": [36, 36, 36], "validation": [4, 4, 4], "test": [10, 10, 10]}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_config_and_summary_are_those_of_the_flag(name) -> None:
    source = DATA.make(name)
    assert (DATA.name_of(source), source.requested) == (name, name)


def test_reading_them_imports_neither_scikit_learn_nor_pyarrow() -> None:
    code = (
        "import sys, jaxdl; jaxdl.Iris().load(None); jaxdl.Digits().load(None); "
        "print({'sklearn', 'pyarrow', 'pandas'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
