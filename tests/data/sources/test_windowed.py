"""What sources of windows share, seen through the generated series."""

from __future__ import annotations

import numpy as np
import pytest

from jaxdl.data import Sine
from jaxdl.data.sources.windowed import OfWindows


def test_windows_and_what_follows_them_by_split() -> None:
    source = Sine(rows=200, window=7, horizon=3, validation=0.1, test=0.2)
    dataset = source.load()
    series = Sine(rows=200, window=1, validation=0, test=0.1).load().splits
    values = np.concatenate([series["train"]["inputs"][:, 0, 0], series["train"]["targets"][-1:]])
    train = dataset.splits["train"]
    for row in (0, 50):
        np.testing.assert_array_equal(train["inputs"][row, :, 0], values[row : row + 7])
        np.testing.assert_array_equal(train["targets"][row], values[row + 7 : row + 10])
    sizes = {name: len(split["inputs"]) for name, split in dataset.splits.items()}
    assert sizes == {"train": 144 - 7 - 2, "validation": 16 - 2, "test": 40 - 2}
    assert dataset.train_examples == sizes["train"] + sizes["validation"]
    assert dataset.spec.outputs == 3
    assert dataset.spec.target_shape == (3,)


def test_inputs_and_targets_are_standardised_by_train() -> None:
    dataset = Sine(rows=300, horizon=2).load()
    train = dataset.splits["train"]
    standard = dataset.spec.preprocess(train["inputs"])
    np.testing.assert_allclose(standard.mean((0, 1)), 0, atol=1e-5)
    np.testing.assert_allclose(standard.std((0, 1)), 1, rtol=1e-5)
    targets = dataset.spec.target.standardized(train["targets"])
    np.testing.assert_allclose(targets.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(targets.std(0), 1, rtol=1e-5)
    plain = Sine(rows=300, standardize=False).load()
    assert plain.spec.preprocess.mean == plain.spec.target.mean == ()


def test_naive_forecasts_are_baselines_of_validation_and_test() -> None:
    dataset = Sine(rows=400, period=20, season=20, noise=0.2).load()
    test = dataset.splits["test"]
    expected = np.abs(test["targets"] - test["inputs"][:, -1, 0]).mean()
    assert dataset.baselines["the last value"]["test/mean_absolute_error"] == pytest.approx(expected, rel=1e-5)
    seasonal = np.abs(test["targets"] - test["inputs"][:, -20, 0])
    found = dataset.baselines["the value 20 rows before"]
    assert found["test/mean_absolute_error"] == pytest.approx(seasonal.mean(), rel=1e-5)
    assert found["test/root_mean_squared_error"] == pytest.approx(np.sqrt((seasonal**2).mean()), rel=1e-5)
    assert "validation/mean_squared_error" in found


def test_without_a_share_there_is_no_such_split() -> None:
    assert set(Sine(rows=100, validation=0).load().splits) == {"train", "test"}
    assert issubclass(Sine, OfWindows)
