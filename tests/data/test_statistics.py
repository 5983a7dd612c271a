"""Means and deviations of a train split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import jaxdl
from jaxdl.data import statistics
from jaxdl.data.statistics import mean_and_deviation, of_bytes

FEATURES = np.random.RandomState(0).randn(200, 3).astype(np.float32)
WEIGHTS = np.array([2.0, -1.0, 0.5])


@given(arrays.arrays(np.float32, (23, 4), elements=st.floats(-1e6, 1e6, width=32)))
def test_mean_and_deviation_are_those_of_numpy(values):
    mean, deviation = mean_and_deviation(values)
    assert mean == pytest.approx(values.mean(0, dtype=np.float64), abs=1e-6)
    expected = values.astype(np.float64).std(0)
    varying = values.min(0) != values.max(0)
    assert np.array(deviation)[varying] == pytest.approx(expected[varying])
    assert np.array(deviation)[~varying] == pytest.approx(1), "a constant is divided by 1"


def test_parts_give_what_the_whole_gives(monkeypatch):
    pixels = np.random.RandomState(0).randint(0, 256, (50, 7, 5, 3), np.uint8)
    whole = mean_and_deviation(pixels)
    monkeypatch.setattr(statistics, "_PART", 100)
    parts = mean_and_deviation(pixels)
    assert parts[0] == pytest.approx(whole[0])
    assert parts[1] == pytest.approx(whole[1])
    assert whole[0] == pytest.approx(pixels.reshape(-1, 3).mean(0))


def test_missing_numbers_and_uncounted_ones_are_left_out():
    values = np.array([[1.0, np.nan], [3.0, 4.0], [100.0, 6.0]])
    mean, deviation = mean_and_deviation(values, np.array([True, True, False]))
    assert mean == (2.0, 4.0)
    assert deviation == (1.0, 1.0)


def regression(targets: np.ndarray, **fields) -> jaxdl.Experiment:
    split = slice(0, 160), slice(160, 200)
    data = jaxdl.Arrays(
        train=(FEATURES[split[0]], targets[split[0]]), test=(FEATURES[split[1]], targets[split[1]]), **fields
    )
    return jaxdl.Experiment(
        name="values",
        data=data,
        model=jaxdl.MLP(features=()),
        objective=jaxdl.MeanSquaredError(),
        optimizer=jaxdl.Adam(learning_rate=0.05),
        training=jaxdl.Training(epochs=30, batch_size=16),
        metrics=("mean_absolute_error", "mean_squared_error", "r_squared"),
    )


def test_numbers_far_from_zero_are_learned_and_predicted_in_their_own_unit(tmp_path: Path):
    """House prices around 300,000: without standardising, Adam would need millions of steps."""
    prices = (300_000 + 50_000 * FEATURES @ WEIGHTS).astype(np.float32)
    summary = jaxdl.train(regression(prices), run_dir=tmp_path / "run")
    figures = summary["metrics"]
    assert figures["test/r_squared"] > 0.999
    predicted = jaxdl.load_run(tmp_path / "run").predict(FEATURES[160:])
    errors = np.abs(predicted - prices[160:])
    assert errors.max() < 5_000
    assert figures["test/mean_absolute_error"] == pytest.approx(errors.mean(), rel=1e-3), "in the targets' own unit"
    assert figures["test/loss"] == pytest.approx(
        figures["test/mean_squared_error"] / prices[:160].std() ** 2, rel=0.2
    ), "the loss is in squared deviations"


def test_the_unit_of_the_targets_changes_nothing_but_the_unit(tmp_path: Path):
    metres = (FEATURES @ WEIGHTS).astype(np.float32)
    runs = [jaxdl.train(regression(metres * factor), run_dir=tmp_path / str(factor))["metrics"] for factor in (1, 1024)]
    assert runs[0]["test/loss"] == pytest.approx(runs[1]["test/loss"], rel=1e-3)
    assert runs[1]["test/mean_absolute_error"] == pytest.approx(1024 * runs[0]["test/mean_absolute_error"], rel=1e-3)


def test_labels_and_probabilities_are_not_standardised():
    labels = jaxdl.Arrays(train=(FEATURES, np.arange(200) % 3), test=(FEATURES, np.arange(200) % 3))
    assert labels.load().spec.target == jaxdl.Preprocess()
    values = (FEATURES @ WEIGHTS).astype(np.float32)
    as_given = jaxdl.Arrays(train=(FEATURES, values), test=(FEATURES, values), standardize=False)
    assert as_given.load().spec.target == jaxdl.Preprocess()


def test_each_value_and_only_valid_steps_count():
    rows = np.stack([FEATURES @ WEIGHTS, 1000 + FEATURES[:, 0]], 1).astype(np.float32)
    data = jaxdl.Arrays(train=(FEATURES, rows), test=(FEATURES, rows), validation=0.0)
    target = data.load().spec.target
    assert target.mean == pytest.approx(rows.mean(0), rel=1e-5)
    assert target.deviation == pytest.approx(rows.std(0), rel=1e-5)
    steps = np.zeros((4, 5), np.float32)
    steps[:, :2] = [[1, 3]] * 4
    split = {"inputs": np.zeros((4, 5, 1), np.float32), "targets": steps, "lengths": np.full(4, 2)}
    sequences = jaxdl.Arrays(train=split, test=split, validation=0.0)
    target = sequences.load().spec.target
    assert (target.mean, target.deviation) == ((2.0,), (1.0,))


def test_a_model_is_evaluated_with_the_statistics_of_its_own_train_split(tmp_path: Path):
    values = (100 + FEATURES @ WEIGHTS).astype(np.float32)
    recipe = regression(values)
    trained = jaxdl.train(recipe, run_dir=tmp_path / "run")["metrics"]
    others = jaxdl.Arrays(train=(FEATURES[:100], values[:100] * 3), test=(FEATURES[160:], values[160:]))
    found = jaxdl.evaluate(tmp_path / "run", jaxdl.replace(recipe, {"data": others}))["metrics"]
    assert found["test/mean_absolute_error"] == trained["test/mean_absolute_error"]


@given(st.integers(0, 2**32 - 1), st.sampled_from([1 / 255, 1.0]))
def test_statistics_of_bytes_are_numpys(seed, scale):
    values = np.random.RandomState(seed).randint(0, 256, (7, 3, 2, 3)).astype(np.uint8)
    values[..., 1] = 200
    mean, deviation = of_bytes(values, scale)
    scaled = values.astype(np.float64) * scale
    np.testing.assert_allclose(mean, scaled.mean((0, 1, 2)), rtol=1e-12)
    expected = scaled.std((0, 1, 2))
    expected[1] = 1
    np.testing.assert_allclose(deviation, expected, rtol=1e-9)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 3, 7, 600]), st.integers(1, 3000))
def test_sums_of_bytes_are_exact_in_any_shape(seed, size, count):
    values = np.random.RandomState(seed).randint(250, 256, (count, size)).astype(np.uint8)
    sums, squares = statistics._sums_of_bytes(values)
    assert sums == values.sum(0, dtype=np.int64).tolist()
    assert squares == (values.astype(np.int64) ** 2).sum(0).tolist()


def test_statistics_of_many_bytes_do_not_overflow():
    values = np.full((70_000, 2, 1), 255, np.uint8)
    values[::7] = 251
    (mean,), (deviation,) = of_bytes(values, 1.0)
    np.testing.assert_allclose([mean, deviation], [values.mean(), values.std()], rtol=1e-12)
