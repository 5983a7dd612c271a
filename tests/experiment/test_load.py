"""The data of an experiment, cut to the examples that it uses."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.data import Dataset
from jaxdl.errors import UserError
from jaxdl.experiment.load import about_batch, check_targets, data_summary, load_data, most_examples, shortened
from tests.small import blobs


@pytest.fixture
def small(recipe: jaxdl.Experiment, monkeypatch: pytest.MonkeyPatch) -> jaxdl.Experiment:
    """The recipe on 50 train, 20 validation and 33 test examples, each twice an epoch."""
    dataset = dataclasses.replace(blobs(), passes=2)
    monkeypatch.setattr(jaxdl.Digits, "load", lambda self, data_dir, notify: dataset)
    return jaxdl.replace(recipe, {"training.batch_size": 6})


def sizes(dataset: Dataset) -> dict[str, int]:
    return {name: len(split["targets"]) for name, split in dataset.splits.items()}


@pytest.mark.parametrize(
    ("change", "expected", "passes"),
    [
        ({}, {"train": 50, "validation": 20, "test": 33}, 2),
        ({"training.overfit_batches": 2}, {"train": 12, "validation": 12, "test": 33}, 1),
        ({"training.overfit_batches": 99}, {"train": 50, "validation": 50, "test": 33}, 1),
        ({"training.fast_dev_run": True}, {"train": 6, "validation": 6, "test": 6}, 1),
        ({"training.fast_dev_run": True, "training.overfit_batches": 2}, {"train": 6, "validation": 6, "test": 6}, 1),
    ],
)
def test_the_first_examples_of_each_split_are_used(
    small: jaxdl.Experiment, change: dict[str, Any], expected: dict[str, int], passes: int
) -> None:
    recipe = jaxdl.replace(small, change)
    dataset, whole = load_data(recipe, Path(), print), blobs()
    assert sizes(dataset) == expected and dataset.passes == passes
    for name, split in dataset.splits.items():
        source = "train" if name == "validation" and recipe.training.overfit_batches else name
        for key, array in split.items():
            np.testing.assert_array_equal(array, whole.splits[source][key][: expected[name]])


def test_a_fast_run_is_one_epoch_of_one_small_batch_and_any_other_stays_as_it_is(small: jaxdl.Experiment) -> None:
    assert shortened(small) is small and most_examples(small) is None
    fast = jaxdl.replace(small, {"training.fast_dev_run": True})
    for given, used in ((6, 6), (128, 8)):
        training = shortened(jaxdl.replace(fast, {"training.batch_size": given})).training
        assert (training.epochs, training.batch_size, training.eval_batch_size) == (1, used, used)


@pytest.mark.parametrize("empty", ["train", "test"])
def test_a_split_without_examples_is_named(
    small: jaxdl.Experiment, monkeypatch: pytest.MonkeyPatch, empty: str
) -> None:
    monkeypatch.setattr(jaxdl.Digits, "load", lambda self, data_dir, notify: blobs(**{empty: 0}))
    with pytest.raises(UserError, match=f"the {empty} split of blobs has no example; check --data"):
        load_data(small, Path(), print)


def test_the_summary_counts_the_sources_own_split_and_what_was_held_out_of_it(small: jaxdl.Experiment) -> None:
    found = data_summary(load_data(small, Path(), print), small)
    assert (found["train_examples"], found["validation_examples"], found["test_examples"]) == (70, 20, 33)
    assert found["class_names"] == ["0", "1", "2"] and not found["substituted"]
    without = dataclasses.replace(blobs(), splits={k: v for k, v in blobs().splits.items() if k != "validation"})
    assert data_summary(without, small)["validation_examples"] == 0


def test_the_best_possible_loss_bounds_cross_entropies_alone(small: jaxdl.Experiment) -> None:
    dataset = dataclasses.replace(blobs(), spec=dataclasses.replace(blobs().spec, best_loss=0.25))
    assert data_summary(dataset, small)["best_loss"] == 0.25
    squares = jaxdl.replace(small, {"objective": jaxdl.MeanSquaredError()})
    assert data_summary(dataset, squares)["best_loss"] is None


def test_the_baselines_are_those_of_the_metrics_that_are_measured(small: jaxdl.Experiment) -> None:
    assert "baselines" not in data_summary(blobs(), small)
    known = {"always 0": {"test/accuracy": 0.5, "test/f1": 0.25}, "other": {"test/r_squared": 0.0}}
    found = data_summary(dataclasses.replace(blobs(), baselines=known), small)
    assert found["baselines"] == {"always 0": {"test/accuracy": 0.5}}


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (100, None),
        (
            101,
            "--batch_size=101 is larger than the 100 train examples of .*each of them 1 or 2 times; --batch_size=100",
        ),
        (300, "takes each of them 3 times; --batch_size=100 takes each once"),
    ],
)
def test_a_batch_that_is_larger_than_the_data_is_named(small: jaxdl.Experiment, size: int, said: str | None) -> None:
    recipe = jaxdl.replace(small, {"training.batch_size": size})
    found = about_batch(recipe, load_data(recipe, Path(), print))
    assert found is None if said is None else re.search(said, found or "")


@pytest.mark.slow
def test_a_training_says_that_its_batch_is_larger_than_the_data(small: jaxdl.Experiment, tmp_path: Path) -> None:
    told: list[str] = []
    recipe = jaxdl.replace(small, {"training.batch_size": 200, "training.epochs": 1})
    summary = jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path, notify=told.append)
    assert summary["status"] == "completed"
    assert [line for line in told if line.startswith("--batch_size=200 is larger than the 100 train examples")]


def test_an_objective_for_another_kind_of_target_is_named_with_the_right_one(small: jaxdl.Experiment) -> None:
    rows = np.random.RandomState(0).randn(30, 4).astype(np.float32)
    prices, colours = rows[:, 0] * 1000, np.array(["red", "blue"])[np.arange(30) % 2]
    numbers = jaxdl.replace(small, {"data": jaxdl.Arrays(train=(rows, prices), test=(rows, prices))})
    with pytest.raises(UserError, match=r"arrays are numbers from .*--objective=mean_squared_error"):
        check_targets(numbers, numbers.data.load())
    classes = jaxdl.Arrays(train=(rows, colours), test=(rows, colours))
    values = jaxdl.replace(small, {"data": classes, "objective": jaxdl.MeanSquaredError()})
    with pytest.raises(UserError, match=r"the classes blue, red .*--objective=softmax_cross_entropy"):
        check_targets(values, values.data.load())
