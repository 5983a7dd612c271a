"""Folds as selections of one set of arrays: the same examples and figures as those of each fold alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxdl
from jaxdl.data import Dataset
from jaxdl.data.folded import in_parts, shared
from jaxdl.data.resident import Resident
from jaxdl.training.cache import Cache
from jaxdl.training.feed import Visits
from jaxdl.training.loop import Trainer

SOURCES = {
    "classes": jaxdl.Digits(folds=4),
    "statistics of inputs and targets": jaxdl.Diabetes(folds=4),
    "in time": jaxdl.Sine(rows=300, window=10, folds=4),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_fold_selects_the_examples_that_it_has_alone(name: str) -> None:
    datasets = SOURCES[name].load_folds(Path())
    found = shared(datasets)
    assert found is not None
    assert len({id(each.arrays["inputs"]) for each in found}) == 1, "one set of arrays on the device"
    for dataset, fold in zip(datasets, found, strict=True):
        first, stop = fold.ranges["validation"]
        for key in ("inputs", "targets"):
            assert np.array_equal(fold.arrays[key][fold.selected], dataset.splits["train"][key])
            assert np.array_equal(fold.arrays[key][first:stop], dataset.splits["validation"][key])
    assert len({fold.visits for fold in found}) == 1, "all folds take the same number of steps"


def recipe(fold: int, **changes: Any) -> jaxdl.Experiment:
    regression = jaxdl.Experiment(
        name="diabetes",
        data=jaxdl.Diabetes(folds=4, fold=fold),
        model=jaxdl.MLP(features=(8,), outputs=1),
        objective=jaxdl.MeanSquaredError(),
        optimizer=jaxdl.Adam(learning_rate=1e-2),
        training=jaxdl.Training(epochs=2, batch_size=32),
    )
    return jaxdl.replace(regression, changes)


def one_epoch(trainer: Trainer) -> tuple[dict[str, Any], Any]:
    point = next(iter(trainer.train(trainer.init_state())))
    return point.figures, jax.tree.map(np.asarray, point.state.params)


def alone(experiment: jaxdl.Experiment, dataset: Dataset) -> Trainer:
    """Returns a trainer with only this fold's arrays on the device, and its statistics as constants."""
    return Trainer(experiment, dataset)


def test_each_fold_trains_in_one_program_as_it_does_alone() -> None:
    cache = Cache(Path(), lambda text: None)
    for fold in range(4):
        experiment = recipe(fold)
        figures, params = one_epoch(cache.trainer(experiment))
        dataset = cache.dataset(experiment)
        expected, theirs = one_epoch(alone(experiment, dataset))
        if len(dataset.splits["train"]["inputs"]) == max(len(d.splits["train"]["inputs"]) for d in folds()):
            assert figures == pytest.approx(expected, rel=1e-5)
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), params, theirs)
    assert cache.compiled()["train"] == 1


def folds() -> list[Dataset]:
    return jaxdl.Diabetes(folds=4).load_folds(Path())


def test_statistics_of_another_fold_give_other_figures() -> None:
    # The test above would pass if the statistics of fold 0 were used for all and were nearly the same.
    cache = Cache(Path(), lambda text: None)
    trainer = cache.trainer(recipe(1))
    other = cache.trainer(recipe(0)).feed.data.statistics
    assert any(not np.array_equal(other[name], value) for name, value in trainer.feed.data.statistics.items())
    before = trainer.evaluate(trainer.init_state(), "validation")
    assert isinstance(trainer.feed.data, Resident)
    data = dataclasses.replace(trainer.feed.data, statistics=other)
    wrong = trainer.variant(recipe(1), fold=(trainer.spec, data))
    assert wrong.evaluate(wrong.init_state(), "validation")["loss"] != pytest.approx(before["loss"], rel=1e-6)


def test_balanced_weights_of_classes_are_those_of_each_fold() -> None:
    cache = Cache(Path(), lambda text: None)
    experiment = jaxdl.replace(
        jaxdl.load_experiment("iris_mlp", "experiments"),
        {"data.folds": 3, "training.class_weight": "balanced", "training.epochs": 1},
    )
    for fold in range(3):
        cache.trainer(jaxdl.replace(experiment, {"data.fold": fold})).compile()
    assert cache.compiled()["train"] == 3


def test_folds_whose_examples_have_another_form_do_not_share_arrays() -> None:
    # A column that varies only in some folds is left out in the others.
    datasets = folds()
    splits = {name: {**split, "inputs": split["inputs"][:, 1:]} for name, split in datasets[0].splits.items()}
    assert shared([dataclasses.replace(datasets[0], splits=splits), *datasets[1:]]) is None


@pytest.mark.parametrize("name", SOURCES)
def test_a_fold_in_parts_visits_the_examples_that_it_visits_on_the_device(name: str) -> None:
    datasets = SOURCES[name].load_folds(Path())
    resident, parts = shared(datasets), in_parts(datasets)
    assert resident is not None and parts is not None
    for one, other in zip(resident, parts, strict=True):
        assert one.statistics.keys() == other.statistics.keys()
        assert all(np.array_equal(other.statistics[each], value) for each, value in one.statistics.items())
        for epoch in range(2):
            here, there = (Visits(data, 16, 7).visits(epoch) for data in (one, other))
            assert np.array_equal(one.arrays["inputs"][here], other.read("train", there, len(there))["inputs"])
    splits = {each: {**split, "inputs": split["inputs"][:, 1:]} for each, split in datasets[0].splits.items()}
    spec = dataclasses.replace(datasets[0].spec, input_shape=(1,))
    assert in_parts([dataclasses.replace(datasets[0], splits=splits, spec=spec), *datasets[1:]]) is None
