"""The plots of a sweep's fields: which there are, in which order, and what they say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import Definition
from jaxdl.sweeps.results.fields import fields_section, quality_of
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.trials.schedule import planned_values
from jaxdl.sweeps.trials.trial import Outcome, Trial
from tests.experiments.twins import twin

RECIPE = jaxdl.replace(twin("mnist_mlp"), {"training.watch": "validation/loss"})
RATE = "optimizer.learning_rate"


def made(
    fields: Mapping[str, Any], figure: Callable[[Mapping[str, Any]], float], trials: int = 0
) -> tuple[Definition, list[Trial]]:
    definition = make_definition(RECIPE, make_space(RECIPE, fields), Selection(trials=trials))
    values = planned_values(definition) or []
    return definition, [Trial(n, v, "completed", 1, Outcome("completed", figure(v))) for n, v in enumerate(values)]


def captions(section: str) -> list[str]:
    return re.findall("<figcaption>(.*?)</figcaption>", section)


def test_the_most_important_field_comes_first_and_the_two_first_make_the_heat_map() -> None:
    fields = {"batch_size": [32, 64, 128], "learning_rate": "log(1e-4,1e-1)", "seed": "0:2"}
    section = fields_section(*made(fields, lambda values: float(np.log10(values[RATE])), 30), "digits")
    found = captions(section)
    assert found[:3] == [
        "importance of fields for validation/loss, digits",
        "validation/loss of 30 trials by their values, digits",
        f"validation/loss over {RATE}, digits",
    ]
    assert found[-1] == f"mean validation/loss over {RATE} and training.batch_size, digits" and len(found) == 6
    assert "bootstrap" in section and "95 % of the forests" in section


def test_a_chart_has_the_trials_the_best_and_the_partial_dependence() -> None:
    definition, done = made({"learning_rate": "log(1e-4,1e-1)"}, lambda values: values[RATE], 20)
    section = fields_section(definition, done, "digits")
    chart = section[section.index('<figure class="chart">') :]
    lines = {
        line["name"]: line for line in json.loads(re.findall(r'json">(.*?)</script>', chart, re.DOTALL)[0])["lines"]
    }
    assert list(lines) == ["trials", "best", "partial dependence"]
    assert len(lines["trials"]["x"]) == 20 and lines["best"]["y"] == [
        pytest.approx(min(t.objective or 1 for t in done))
    ]
    np.testing.assert_allclose([lines["partial dependence"]["x"][n] for n in (0, -1)], [-4, -1], atol=1e-4)
    assert all(
        low <= high for low, high in zip(*(lines["partial dependence"][end] for end in ("low", "high")), strict=True)
    )


def test_few_trials_are_drawn_without_importance() -> None:
    section = fields_section(*made({"learning_rate": [0.1, 0.2]}, lambda values: values[RATE]), "digits")
    assert captions(section) == [
        "validation/loss of 2 trials by their values, digits",
        f"validation/loss over {RATE}, digits",
    ]


def test_the_best_has_quality_one_and_the_worst_none() -> None:
    definition, _ = made({"learning_rate": [0.1, 0.2]}, lambda values: 0.0)
    np.testing.assert_allclose(quality_of(definition, np.array([0.3, 0.1, 0.2])), [0, 1, 0.5])
    np.testing.assert_allclose(quality_of(definition, np.array([0.3, 0.3])), [1, 1])


def test_fields_are_drawn_for_a_notebook() -> None:
    definition, done = made({"learning_rate": [0.1, 0.2], "seed": "0:2"}, lambda values: values[RATE])
    results = jaxdl.SweepResults(definition, Path("sweep"), "completed", done)
    assert [axes.get_xlabel() for axes in results.plot().axes] == [RATE]
    with pytest.raises(jaxdl.UserError, match="field of the sweep"):
        results.plot("dropout")
