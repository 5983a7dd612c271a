"""The data of one recipe: loaded once for all of its folds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.data.resident import Resident
from jaxdl.errors import UserError
from jaxdl.training.cache import data_key
from jaxdl.training.loaded import Loaded

RECIPE = jaxdl.load_experiment("digits_mlp", "experiments")


def with_fold(fold: int | None, **changes: Any) -> jaxdl.Experiment:
    return jaxdl.replace(RECIPE, {"data.folds": 3, "data.fold": fold, **changes})


def test_folds_are_loaded_together_and_have_one_key() -> None:
    loaded = Loaded(with_fold(1), Path(), lambda text: None)
    sets = [loaded.dataset(with_fold(fold)) for fold in range(3)]
    assert len({len(each.splits["validation"]["inputs"]) for each in sets}) <= 2
    assert len({data_key(with_fold(fold)) for fold in range(3)}) == 1
    assert len({loaded.key(with_fold(fold)) for fold in range(3)}) == 1
    first, last = (loaded.examples(with_fold(fold)) for fold in (0, 2))
    assert isinstance(first, Resident) and isinstance(last, Resident)
    assert first.arrays is last.arrays


def test_what_follows_from_a_folds_classes_has_a_key_of_its_own() -> None:
    loaded = Loaded(with_fold(0), Path(), lambda text: None)
    balanced = [with_fold(fold, **{"training.class_weight": "balanced"}) for fold in range(3)]
    assert len({loaded.key(each) for each in balanced}) == 3


def test_a_fast_run_has_few_examples_of_each_fold() -> None:
    recipe = with_fold(2, **{"training.fast_dev_run": True, "training.batch_size": 8})
    dataset = Loaded(recipe, Path(), lambda text: None).dataset(recipe)
    assert dataset.rows is not None
    assert len(dataset.splits["train"]["inputs"]) == len(dataset.rows.train) == 8


def test_a_fold_that_there_is_not_is_refused() -> None:
    with pytest.raises(UserError, match="data.fold=3: the folds are 0 to 2"):
        Loaded(with_fold(3), Path(), lambda text: None)
