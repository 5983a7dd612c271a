"""The learning-rate range test."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.search.learning_rate import lr_find, suggest, write_range_test
from tests.experiments.twins import twin


def test_the_suggestion_is_where_a_known_curve_falls_fastest() -> None:
    rates = np.geomspace(1e-6, 1e1, 400)
    # Falls like a logistic curve around 1e-3, and rises from 1e-1 on.
    curve = 2.3 - 2 / (1 + np.exp(-3 * np.log(rates / 1e-3))) + 5 * np.maximum(0, np.log(rates / 1e-1))
    assert suggest(rates, curve) == pytest.approx(1e-3, rel=0.05)
    assert suggest(rates, np.linspace(1, 2, 400)) is None


@pytest.mark.slow
def test_a_training_at_the_suggested_rate_learns(tmp_path: Path) -> None:
    recipe = twin("digits_mlp")
    found = lr_find(recipe, data_dir=tmp_path)
    assert found.suggestion is not None and 1e-4 < found.suggestion < 0.3
    assert found.data == "digits" and len(found.rates) == len(found.losses) == len(found.smoothed)
    changed = jaxdl.replace(recipe, {"optimizer.learning_rate": found.suggestion})
    summary = jaxdl.train(changed, run_dir=tmp_path / "run", data_dir=tmp_path)
    assert summary["metrics"]["validation/accuracy"] > 0.85


def test_losses_are_those_of_the_recipe_at_each_rate(tmp_path: Path) -> None:
    recipe = jaxdl.replace(twin("digits_mlp"), {"model.dropout": 0.0})
    found = lr_find(recipe, data_dir=tmp_path, low=1e-3, high=1e-2, steps=20)
    dataset = jaxdl.Digits().load(tmp_path)
    plain = jaxdl.replace(recipe, {"optimizer.schedule": jaxdl.Constant(), "training.epochs": 1})
    trainer = jaxdl.Trainer(plain, dataset)
    state = trainer.init_state()
    for number, rate in enumerate(found.rates):
        hparams = trainer.hparams() | {"optimizer.learning_rate": np.float32(rate)}
        state, metrics = trainer.programs.steps.train_step(state, trainer.feed.batch(number), hparams)
        assert float(metrics["loss"]) == pytest.approx(found.losses[number], rel=1e-5)


def test_the_page_and_the_figures_are_written(tmp_path: Path) -> None:
    found = lr_find(twin("digits_mlp"), data_dir=tmp_path, steps=60)
    page = write_range_test(found, "digits_mlp", tmp_path / "out").read_text()
    assert page.count("<svg") == 1 and "digits" in page
    value = json.loads((tmp_path / "out" / "lr_find.json").read_text())
    assert value["rates"] == found.rates.tolist() and value["suggestion"] == found.suggestion


def test_a_loss_that_is_never_finite_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not finite from step \d+ on.*lower --lr_low"):
        lr_find(twin("digits_mlp"), data_dir=tmp_path, low=1e36, high=1e38, steps=20)


@pytest.mark.parametrize("given", [{"low": 1.0, "high": 0.1}, {"steps": 5}, {"low": 0.0}])
def test_an_empty_range_is_refused(tmp_path: Path, given: dict) -> None:
    with pytest.raises(UserError, match="give 0 < low < high"):
        lr_find(twin("digits_mlp"), data_dir=tmp_path, **given)
