"""What is said of a data set before training."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.data.inspection import inspect

DRAWN = np.random.RandomState(0)
ROWS = DRAWN.randn(60, 3).astype(np.float32)
LABELS = np.arange(60) % 3


def found(train: Any, test: Any, **fields: Any) -> Any:
    return inspect(jaxdl.Arrays(train=train, test=test, **{"validation": 0.0} | fields).load())


def test_clean_data_have_no_warning() -> None:
    about = found((ROWS[:40], LABELS[:40]), (ROWS[40:], LABELS[40:]))
    assert about.warnings == ()
    assert about.sizes == {"train": 40, "test": 20}
    assert about.class_counts == {"train": (14, 13, 13), "test": (6, 7, 7)}
    assert about.target == ()
    for column, feature in zip(ROWS[:40].T.astype(np.float64), about.features, strict=True):
        expected = [column.min(), column.mean(), column.std(), column.max(), 0.0]
        numbers = [feature.least, feature.mean, feature.deviation, feature.most, feature.missing]
        assert numbers == pytest.approx(expected, rel=1e-5)


def test_examples_of_an_earlier_split_are_counted_with_the_first_of_them() -> None:
    test = np.concatenate([ROWS[40:50], ROWS[[7, 3]]])
    about = found((ROWS[:40], LABELS[:40]), (test, LABELS[:12]))
    assert about.warnings == (
        "2 of 12 test examples also occur in an earlier split, so figures of test are too good: test[10] is train[7].",
    )


def test_examples_that_occur_twice_in_train_and_contradict_each_other() -> None:
    rows = np.concatenate([ROWS[:40], ROWS[[0, 3]]])
    labels = np.concatenate([LABELS[:40], [LABELS[0], LABELS[3] + 1]])
    about = found((rows, labels), (ROWS[40:], LABELS[40:]))
    assert about.warnings == (
        "2 of 42 train examples have the inputs of an earlier one: train[40] is train[0].",
        "1 of these has another target than the earlier one: train[41] and train[3].",
    )


def test_sequences_that_differ_only_in_their_length_are_no_duplicates() -> None:
    zeros = {"inputs": np.zeros((2, 4, 1), np.float32), "targets": np.array([0, 1]), "lengths": np.array([2, 3])}
    ones = {"inputs": np.ones((1, 4, 1), np.float32), "targets": np.array([0]), "lengths": np.array([4])}
    warnings = found(zeros, ones).warnings
    assert not [line for line in warnings if "earlier" in line]


def test_constant_inputs_absent_classes_and_imbalance() -> None:
    rows = ROWS.copy()
    rows[:, 1] = 4
    labels = np.where(np.arange(60) < 55, 0, 1)
    labels[59] = 2
    about = found((rows, labels), (DRAWN.randn(5, 3).astype(np.float32), np.zeros(5, int)))
    assert about.warnings == (
        "2 of the 3 classes do not occur in test: 1, 2.",
        "the classes of train are not balanced: '0' has 55 examples and '2' 1; accuracy hides rare classes, and "
        "--metrics=f1,confusion shows them.",
        "1 of the 3 inputs is constant in train.",
    )
    assert about.features[1].deviation == 0


def test_numbers_to_predict_have_statistics() -> None:
    targets = (5 + 2 * ROWS[:, 0]).astype(np.float32)
    about = found((ROWS[:40], targets[:40]), (ROWS[40:], targets[40:]))
    assert about.class_counts == {}
    (feature,) = about.target
    assert (feature.mean, feature.deviation) == pytest.approx((targets[:40].mean(), targets[:40].std()), rel=1e-5)


def test_images_are_described_by_channel_between_black_and_white() -> None:
    images = DRAWN.randint(0, 256, (30, 6, 6, 3), np.uint8)
    images[..., 2] = 255
    about = found((images[:20], LABELS[:20]), (images[20:], LABELS[20:30]))
    assert [feature.most for feature in about.features] == pytest.approx(images[:20].max((0, 1, 2)) / 255)
    assert about.features[2].deviation == 0
    assert about.warnings == ("36 of the 108 inputs are constant in train.",)


def test_ids_have_no_statistics() -> None:
    ids = DRAWN.randint(0, 50, (30, 5))
    about = found((ids[:20], LABELS[:20]), (ids[20:], LABELS[20:30]), ids=True)
    assert about.features == ()
    assert about.warnings == ()


def test_of_sounds_the_seconds_and_the_valid_samples_are_described_and_silence_is_a_warning() -> None:
    dataset = jaxdl.Vowels(train_examples=30, test_examples=10, representation="raw", validation=0.0).load()
    train = {name: array.copy() for name, array in dataset.splits["train"].items()}
    train["inputs"][4] = 0
    train["inputs"][0, train["lengths"][0] :] = 32767  # past its end
    about = inspect(dataclasses.replace(dataset, splits={**dataset.splits, "train": train}))
    seconds, samples = about.features
    assert seconds.name == "seconds" and samples.name == "samples"
    assert (seconds.least, seconds.most) == pytest.approx(
        (train["lengths"].min() / 8000, train["lengths"].max() / 8000)
    )
    valid = [row[:length] / 32768 for row, length in zip(train["inputs"], train["lengths"], strict=True)]
    assert samples.deviation == pytest.approx(np.concatenate(valid).std(), rel=1e-5)
    assert samples.most == pytest.approx(max(sound.max() for sound in valid))
    assert about.warnings == ("1 of 30 train sounds is silent: all samples are 0.",)


def test_of_a_set_on_disk_some_examples_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("jaxdl.data.inspection._MOST_BYTES", 120)
    inputs = np.random.RandomState(0).rand(60, 3)
    np.savez(tmp_path / "a.npz", inputs=inputs, targets=np.arange(60) % 2)
    found = inspect(jaxdl.ArrayFile(path=str(tmp_path / "a.npz"), stream="on").load(tmp_path, lambda line: None))
    assert sum(found.sizes.values()) == 60 and sum(map(sum, found.class_counts.values())) == 60
    assert found.warnings[0].startswith("what follows is of some examples, evenly spread")
    assert f"of {found.sizes['train']:,} of train" in found.warnings[0]
