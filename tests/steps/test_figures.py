"""Figures of an evaluation by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jaxdl.steps.figures import eval_figures, eval_metrics
from tests.steps.test_functions import experiment

SUMS: dict[str, list[float]] = {"loss": [2.0, 4.0], "count": [4, 4], "correct": [1, 3], "answers": [4, 4]}


@pytest.mark.parametrize(
    ("changes", "prefix"), [({}, ""), ({"training.ema": 0.9}, "ema_"), ({"training.swa": 2}, "swa_")]
)
def test_those_of_an_average_have_its_name_before_theirs(changes: dict[str, Any], prefix: str) -> None:
    recipe = experiment(**changes)
    assert [each.name for each in eval_metrics(recipe)] == ["loss", "accuracy"]
    partials = {name: np.float32(values) for name, values in SUMS.items()}
    of_average = {prefix + name: np.float32(values[::-1]) / (1 + (name == "loss")) for name, values in SUMS.items()}
    figures = eval_figures(recipe, partials | of_average if prefix else partials)
    expected = {"loss": 0.75, "accuracy": 0.5}
    assert figures == expected | ({"swa_loss": 0.375, "swa_accuracy": 0.5} if prefix == "swa_" else {}) | (
        {"ema_loss": 0.375, "ema_accuracy": 0.5} if prefix == "ema_" else {}
    )
