"""Trainings side by side in one program give what each gives alone, within rounding."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxdl
from jaxdl.training.cache import Cache
from jaxdl.training.stacked import Stacked
from tests.experiments.twins import twin

RECIPES: dict[str, tuple[jaxdl.Experiment, dict[str, Any]]] = {
    "mlp": (twin("digits_mlp"), {"optimizer.learning_rate": [1e-3, 3e-3, 1e-2], "model.dropout": [0.1, 0.2, 0.3]}),
    "cnn": (twin("digits_cnn"), {"optimizer.learning_rate": [1e-3, 3e-3, 1e-2], "seed": [0, 1, 2]}),
    "augmented": (
        jaxdl.replace(twin("digits_cnn"), {"augmentation": jaxdl.Augmentation("both", 1, 20.0, 0.2, 0.2, 0.2, 2, 0.1)}),
        {"augmentation.rotation": [5.0, 20.0, 30.0], "augmentation.cutout": [1, 2, 3], "seed": [0, 1, 2]},
    ),
    "rnn": (twin("mnist_rnn"), {"optimizer.learning_rate": [1e-3, 3e-3, 1e-2], "seed": [0, 1, 2]}),
}


@pytest.mark.parametrize(
    "kind", ["mlp", *(pytest.param(kind, marks=pytest.mark.slow) for kind in RECIPES if kind != "mlp")]
)
def test_each_training_goes_as_it_goes_alone(kind: str, tmp_path: Path) -> None:
    recipe, fields = RECIPES[kind]
    cache = Cache(tmp_path, print)
    recipe = recipe.for_spec(cache.dataset(recipe).spec)
    columns = zip(*fields.values(), strict=True)
    recipes = [jaxdl.replace(recipe, dict(zip(fields, values, strict=True))) for values in columns]
    alone = [_steps(cache.trainer(each), 12) for each in recipes]
    cache.side_by_side = 4  # one place more than there are trainings
    trainers = [cache.trainer(each, place_of="one") for each in recipes]
    found = _in_threads([functools.partial(_steps, trainer, 12) for trainer in trainers])
    for (params, losses), (expected, expected_losses) in zip(found, alone, strict=True):
        np.testing.assert_allclose(losses, expected_losses, rtol=2e-4)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-2, atol=2e-4), params, expected)
    assert cache.compiled()["train"] == 2  # one alone, one for all side by side


def _steps(trainer: jaxdl.Trainer, count: int) -> tuple[Any, np.ndarray]:
    try:
        state, losses = trainer.advance(trainer.init_state(), count)
        return state.params, losses
    finally:
        trainer.close()


def _in_threads(functions: list[Any]) -> list[Any]:

    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result() for future in [pool.submit(function) for function in functions]]


@pytest.mark.slow
def test_an_error_in_the_program_reaches_every_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = twin("digits_mlp")
    cache = Cache(tmp_path, print)
    recipe = recipe.for_spec(cache.dataset(recipe).spec)
    cache.side_by_side = 2
    trainers = [cache.trainer(recipe, place_of="one") for _ in range(2)]
    assert trainers[0].side_by_side == 2

    def fail(stacked: Stacked, arguments: Any) -> Any:
        raise MemoryError("no room")

    monkeypatch.setattr(Stacked, "_compiled", fail)
    failed = [lambda trainer=trainer: _steps(trainer, 3) for trainer in trainers]
    with pytest.raises(MemoryError, match="no room"):
        _in_threads(failed)
