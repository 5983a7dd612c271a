"""The experiment that `jaxdl.fit` makes of what it is given; what trains it is tested in `test_fit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.training.given import Given

X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
LABELS = np.arange(12) % 2


def made(data: Any, said: list[str] | None = None, **given: Any) -> jaxdl.Experiment:
    parts: dict[str, Any] = {"name": "given", "model": jaxdl.MLP(), "optimizer": "adam", **given.pop("parts", {})}
    asked: dict[str, Any] = {"validation": None, "test": None, "loss": None, "loss_weights": None, **given}
    fields, say = asked.pop("fields", {}), (said if said is not None else []).append
    return Given(data, data_dir=Path(), say=say, **asked).experiment(jaxdl.Training(epochs=2), fields, **parts)


@jaxdl.source
def never() -> Any:
    raise AssertionError("it is not read")


def test_arrays_are_watched_on_what_there_is() -> None:
    assert made((X, LABELS)).training.watch == "train/loss"
    assert made((X, LABELS), validation=0.25).training.watch == "validation/loss"
    own = made((X, LABELS), validation=(X[:4], LABELS[:4]), fields={"patience": 1})
    assert (own.training.watch, own.training.patience) == ("validation/loss", 1)
    said: list[str] = []
    made({"inputs": X, "targets": X[:, 0]}, said, test=(X[:4], X[:4, 0]))
    assert said == ["fit: numbers with a fraction are values to predict; loss=mean_squared_error."]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"parts": {"metrics": ("acuracy",)}}, "unknown metric 'acuracy'. Did you mean 'accuracy'"),
        ({"parts": {"optimizer": 3}}, "must be a part such as jaxdl.Adam"),
        ({"parts": {"model": X}}, "must be a part such as jaxdl.MLP"),
        ({"parts": {"hooks": ("save_prediction",)}}, "Did you mean 'save_predictions'"),
        ({"validation": (X, LABELS)}, "and never has splits of its own"),
    ],
)
def test_what_is_wrong_beside_the_data_is_said_before_they_are_loaded(given: dict[str, Any], message: str) -> None:
    with pytest.raises(jaxdl.UserError, match=message):
        made(never, **given)


def test_a_loss_by_its_name_needs_no_data_and_any_other_does() -> None:
    assert made(never, loss="mse").objective == jaxdl.MeanSquaredError()
    with pytest.raises(AssertionError, match="it is not read"):
        made(never)
