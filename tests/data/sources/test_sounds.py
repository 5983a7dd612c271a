"""What every source of sounds does, tried on folders of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import jaxdl
from jaxdl.data.sources.sounds import check_longest, check_seconds
from jaxdl.errors import UserError
from tests.data.recordings import classes


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def load(root, **fields):
    return jaxdl.Audio(str(root), **fields).load(notify=lambda line: None)


def test_means_and_deviations_are_those_of_valid_frames_of_train_alone(tmp_path):
    dataset = load(classes(tmp_path, each=10), bands=6, window=0.01, hop=0.004)
    plain = dataclasses.replace(dataset.spec.preprocess, mean=(), deviation=())
    train = dataset.splits["train"]
    heard = np.asarray(plain(train["inputs"], train["lengths"]))
    frames = np.concatenate([row[: 1 + n // 32] for row, n in zip(heard, train["lengths"], strict=True)])
    np.testing.assert_allclose(dataset.spec.preprocess.mean, np.mean(frames, 0), rtol=1e-4)
    np.testing.assert_allclose(dataset.spec.preprocess.deviation, np.std(frames, 0), rtol=1e-4)
    assert load(tmp_path, normalize=False).spec.preprocess.mean == ()


def test_raw_sounds_are_samples_with_one_mean(tmp_path):
    dataset = load(classes(tmp_path, each=10), representation="raw")
    train = dataset.splits["train"]
    valid = np.concatenate([row[:n] for row, n in zip(train["inputs"], train["lengths"], strict=True)]) / 32768
    assert dataset.spec.model_shape == dataset.spec.input_shape
    assert dataset.spec.preprocess.mean == pytest.approx((valid.mean(),), abs=1e-7)
    assert dataset.spec.preprocess.deviation == pytest.approx((valid.std(),), rel=1e-5)


def test_spectrograms_that_hear_nothing_are_refused(tmp_path):
    root = classes(tmp_path, each=4)
    with pytest.raises(UserError, match="data.bands=200: [0-9]+ of them are narrower"):
        load(root, bands=200)
    with pytest.raises(UserError, match=r"data.window=0.025 and data.hop=1e-05: at 8,000 Hz a frame has 200 samples"):
        load(root, hop=1e-5)


def test_seconds_are_checked():
    assert check_seconds(0.5) is None and check_longest(None) is None and check_longest(1.0) is None
    assert check_seconds(0.0) and check_seconds(float("nan")) and check_longest(-1.0) and check_longest(1e9)
