"""Ask and tell: settings for a loop of one's own."""

from __future__ import annotations

import importlib.util
import math
from typing import Any

import pytest

import jaxdl
from jaxdl.errors import UserError
from tests.experiments.twins import twin

RECIPE = twin("digits_mlp")
SPACE = {"learning_rate": "log(1e-4,1)", "batch_size": "int(8,64,step=8)"}
CMAES = pytest.param(
    "cmaes", marks=pytest.mark.skipif(importlib.util.find_spec("cmaes") is None, reason="needs the package cmaes")
)


def figure(experiment: jaxdl.Experiment) -> float:
    """Returns a made-up loss, the smallest at a learning rate of 1e-2 and batches of 32."""
    rate = math.log10(float(experiment.optimizer.learning_rate))  # type: ignore[attr-defined]
    return abs(rate + 2) + abs(experiment.training.batch_size - 32) / 50


def told(search: jaxdl.Search, count: int) -> list[dict[str, Any]]:
    found = []
    for _ in range(count):
        asked = search.ask()
        search.tell(asked, figure(asked.experiment))
        found.append(dict(asked.values))
    return found


@pytest.mark.parametrize("mode", ["random", "sobol", "tpe", CMAES])
def test_the_same_answers_lead_to_the_same_questions(mode: Any) -> None:
    first, second = (jaxdl.Search(RECIPE, SPACE, mode=mode, sweep_seed=4) for _ in range(2))
    expected = told(first, 12)
    assert told(second, 12) == expected
    assert len({str(values) for values in expected}) == 12
    assert first.best is not None and first.best.objective == min(t.objective for t in first.trials if t.objective)


@pytest.mark.parametrize("mode", ["tpe", CMAES])
def test_what_was_told_guides_what_is_asked(mode: Any) -> None:
    rates = [math.log10(each["optimizer.learning_rate"]) for each in told(jaxdl.Search(RECIPE, SPACE, mode=mode), 40)]
    assert sum(abs(rate + 2) for rate in rates[25:]) / 15 < 0.7, "random ones are 1 away on average"


def test_several_may_be_asked_for_and_told_in_any_order() -> None:
    search = jaxdl.Search(RECIPE, SPACE)
    asked = [search.ask() for _ in range(3)]
    assert asked[1].experiment.training.batch_size == asked[1].values["training.batch_size"]
    search.tell(asked[2], {"status": "completed", "metrics": {"validation/loss": 0.25}})
    search.tell(0, None)
    search.tell(asked[1], math.nan)
    assert [trial.state for trial in search.trials] == ["failed", "failed", "completed"]
    assert search.best is not None and search.best.number == 2
    assert search.ask().number == 3


def test_a_grid_ends_and_known_settings_come_first() -> None:
    grid = jaxdl.Search(RECIPE, {"learning_rate": [1e-3, 1e-2], "seed": range(2)}, mode="grid")
    assert len(told(grid, 4)) == 4
    with pytest.raises(UserError, match="all 4 settings were asked for"):
        grid.ask()
    known = jaxdl.Search(RECIPE, SPACE, enqueue=[{"learning_rate": 3e-3}], sweep_if="batch_size >= 32")
    asked = [known.ask().values for _ in range(6)]
    assert asked[0]["optimizer.learning_rate"] == 3e-3
    assert all(values["training.batch_size"] >= 32 for values in asked)


def test_what_was_not_asked_is_not_told() -> None:
    search = jaxdl.Search(RECIPE, SPACE)
    asked = search.ask()
    with pytest.raises(UserError, match="it was not asked for; the last one is 0"):
        search.tell(3, 0.5)
    with pytest.raises(UserError, match="the summary has no validation/loss"):
        search.tell(asked, {"metrics": {}})
    with pytest.raises(UserError, match="a number, the summary of a training or None"):
        search.tell(asked, "0.5")  # type: ignore[arg-type]
    search.tell(asked, {"status": "diverged", "metrics": {}})
    with pytest.raises(UserError, match="was told before"):
        search.tell(asked, 0.5)
    with pytest.raises(UserError, match="trains in one program"):
        jaxdl.Search(RECIPE, SPACE, mode="pbt")  # type: ignore[arg-type]
