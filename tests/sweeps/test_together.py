"""Trainings side by side in one program give what each gives alone, within rounding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxdl
from jaxdl.workshop import Workshop
from tests.experiments.twins import twin

RECIPES = {
    "mlp": (twin("digits_mlp"), {"optimizer.learning_rate": [1e-3, 3e-3, 1e-2], "model.dropout": [0.1, 0.2, 0.3]}),
    "cnn": (twin("digits_cnn"), {"optimizer.learning_rate": [1e-3, 3e-3, 1e-2], "seed": [0, 1, 2]}),
    "rnn": (twin("mnist_rnn"), {"optimizer.learning_rate": [1e-3, 3e-3, 1e-2], "seed": [0, 1, 2]}),
}


@pytest.mark.parametrize("kind", RECIPES)
def test_each_training_goes_as_it_goes_alone(kind: str, tmp_path: Path) -> None:
    recipe, fields = RECIPES[kind]
    workshop = Workshop(tmp_path, print)
    recipe = recipe.for_spec(workshop.dataset(recipe).spec)
    columns = zip(*fields.values(), strict=True)
    recipes = [jaxdl.replace(recipe, dict(zip(fields, values, strict=True))) for values in columns]
    alone = [_steps(workshop.trainer(each), 12) for each in recipes]
    workshop.side_by_side = 4  # one place more than there are trainings
    trainers = [workshop.trainer(each, joins=True) for each in recipes]
    found = _in_threads([lambda trainer=trainer: _steps(trainer, 12) for trainer in trainers])  # type: ignore[misc]
    for (params, losses), (expected, expected_losses) in zip(found, alone, strict=True):
        np.testing.assert_allclose(losses, expected_losses, rtol=2e-4)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-2, atol=2e-4), params, expected)
    assert workshop.compiled()["train"] == 2  # one alone, one for all side by side


def _steps(trainer: jaxdl.Trainer, count: int) -> tuple[Any, np.ndarray]:
    try:
        state, losses = trainer.advance(trainer.init_state(), count)
        return state.params, losses
    finally:
        trainer.close()


def _in_threads(functions: list[Any]) -> list[Any]:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result() for future in [pool.submit(function) for function in functions]]


def test_an_error_in_the_program_reaches_every_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = twin("digits_mlp")
    workshop = Workshop(tmp_path, print)
    recipe = recipe.for_spec(workshop.dataset(recipe).spec)
    workshop.side_by_side = 2
    trainers = [workshop.trainer(recipe, joins=True) for _ in range(2)]
    assert trainers[0].together is not None

    def fail(arguments: Any) -> Any:
        raise MemoryError("no room")

    monkeypatch.setattr(trainers[0].together, "_compiled", fail)
    failed = [lambda trainer=trainer: _steps(trainer, 3) for trainer in trainers]
    with pytest.raises(MemoryError, match="no room"):
        _in_threads(failed)


def test_a_sweep_side_by_side_ends_with_the_same_figures(tmp_path: Path) -> None:
    recipe = jaxdl.replace(twin("digits_mlp"), {"training.watch": "validation/accuracy", "training.patience": 2})
    space = {"learning_rate": [1e-3, 1e-2, 3e-2], "seed": range(3)}
    one = jaxdl.sweep(recipe, space, sweep_dir=tmp_path / "one", execution=jaxdl.Execution(batch="off"))
    four = jaxdl.sweep(recipe, space, sweep_dir=tmp_path / "four", execution=jaxdl.Execution(batch=4))
    assert four.compiled == {"train": 2, "eval": 1} and one.compiled == {"train": 1, "eval": 1}
    for alone, together in zip(one.trials, four.trials, strict=True):
        assert together.values == alone.values and together.state == "completed"
        # A few of 360 examples may fall on the other side.
        assert together.objective == pytest.approx(alone.objective, abs=0.02)
