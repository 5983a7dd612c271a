"""The data of an experiment, cut to what is used of them."""

from __future__ import annotations

import numpy as np
import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.experiment.load import data_summary, load_data, shortened


def sizes(dataset: jaxdl.Dataset) -> dict[str, int]:
    return {name: len(split["targets"]) for name, split in dataset.splits.items()}


def test_a_fast_dev_run_is_one_epoch_of_one_small_batch(recipe: jaxdl.Experiment, tmp_path) -> None:
    assert shortened(recipe) is recipe
    short = shortened(jaxdl.replace(recipe, {"training.fast_dev_run": True}))
    assert (short.training.epochs, short.training.batch_size, short.training.eval_batch_size) == (1, 8, 8)
    assert sizes(load_data(short, tmp_path, print)) == {"train": 8, "validation": 8, "test": 8}


def test_overfitting_validates_on_the_batches_that_it_trains_on(recipe: jaxdl.Experiment, tmp_path) -> None:
    whole = load_data(recipe, tmp_path, print)
    cut = load_data(jaxdl.replace(recipe, {"training.overfit_batches": 2}), tmp_path, print)
    assert sizes(cut) == {"train": 128, "validation": 128, "test": sizes(whole)["test"]}
    for name in ("inputs", "targets"):
        np.testing.assert_array_equal(cut.splits["validation"][name], whole.splits["train"][name][:128])


def test_without_a_train_example_nothing_is_loaded(recipe: jaxdl.Experiment, tmp_path, monkeypatch) -> None:
    empty = {name: np.zeros((0, 8, 8, 1), np.uint8) for name in ("inputs", "targets")}
    dataset = jaxdl.Digits().load(tmp_path, print)
    splits = {**dataset.splits, "train": empty}
    monkeypatch.setattr(jaxdl.Digits, "load", lambda *given: jaxdl.Dataset(dataset.spec, splits, "d", "d", "f", 0))
    with pytest.raises(UserError, match="the train split of d holds no example"):
        load_data(recipe, tmp_path, print)


def test_the_best_possible_loss_is_that_of_a_cross_entropy(tmp_path) -> None:
    data = jaxdl.Bits(train_examples=64, test_examples=32)
    recipe = jaxdl.Experiment("bits", data, jaxdl.RNN(), jaxdl.SigmoidCrossEntropy(), jaxdl.Adam())
    dataset = load_data(recipe, tmp_path, print)
    summary = data_summary(dataset, recipe)
    assert summary["best_loss"] == pytest.approx(data.best_loss)
    assert (summary["train_examples"], summary["validation_examples"], summary["test_examples"]) == (64, 6, 32)
    squares = jaxdl.replace(recipe, {"objective": jaxdl.MeanSquaredError()})
    assert data_summary(dataset, squares)["best_loss"] is None
