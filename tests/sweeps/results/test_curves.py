"""The learning curves of a sweep: means over seeds with their intervals, by combinations and by values of fields."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

import jaxdl
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.results.curves import curve_section, mean_curve
from jaxdl.sweeps.results.results import SweepResults
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.trials.schedule import planned_values
from jaxdl.sweeps.trials.trial import Outcome, Trial
from tests.experiments.twins import twin

RECIPE = jaxdl.replace(twin("mnist_mlp"), {"training.watch": "validation/accuracy"})


def trial(number: int, seed: int, curve: Mapping[int, float]) -> Trial:
    values = {"optimizer.learning_rate": 0.1, "seed": seed}
    return Trial(number, values, "completed", 1, Outcome("completed", curve[max(curve)], curve=curve))


def charts(section: str) -> dict[str, dict[str, Any]]:
    """Returns the lines of each chart by its name."""
    found = re.findall(r'data-name="([^"]*)".*?<script type="application/json">(.*?)</script>', section, re.DOTALL)
    return {name: {line["name"]: line for line in json.loads(content)["lines"]} for name, content in found}


def results(folder: Path, fields: Mapping[str, Any], trials: int = 0) -> SweepResults:
    definition = make_definition(RECIPE, make_space(RECIPE, fields), Selection(trials=trials))
    made = []
    for number, values in enumerate(planned_values(definition) or ()):
        figure = values["optimizer.learning_rate"] + 0.01 * values["seed"]
        curve = {1: figure - 0.1, 2: figure}
        made.append(Trial(number, values, "completed", 1, Outcome("completed", figure, curve=curve)))
    return SweepResults(definition, folder, "completed", made)


def test_the_band_is_the_interval_over_the_seeds() -> None:
    figures = [[0.1, 0.2, 0.5], [0.3, 0.4, 0.7]]  # of two epochs, three seeds
    made = [trial(n, n, {1: figures[0][n], 2: figures[1][n]}) for n in range(3)]
    epochs, means, halves = mean_curve(made)
    assert epochs == [1, 2]
    np.testing.assert_allclose(means, np.mean(figures, axis=1))
    expected = scipy.stats.t.ppf(0.975, 2) * scipy.stats.sem(figures, axis=1)
    np.testing.assert_allclose(halves, expected)


def test_trials_of_a_seed_are_averaged_first_and_one_seed_has_no_band() -> None:
    made = [trial(0, 0, {1: 0.1, 2: 0.3}), trial(1, 0, {1: 0.3})]
    epochs, means, halves = mean_curve(made)
    assert epochs == [1, 2] and means == pytest.approx([0.2, 0.3]) and all(map(math.isnan, halves))
    _, means, _ = mean_curve([*made, trial(2, 1, {1: 0.6, 2: math.nan})])
    assert means == pytest.approx([0.4, 0.3])  # of the seeds 0.2 and 0.6, and then of the one that has a figure


def test_there_is_a_chart_of_the_best_and_one_for_each_field(tmp_path: Path) -> None:
    made = results(tmp_path, {"learning_rate": [0.1, 0.2, 0.3], "batch_size": [32, 64], "seed": range(3)})
    found = charts(curve_section(made, "digits"))
    assert list(found) == [
        "the best combinations",
        "all trials by optimizer.learning_rate",
        "all trials by training.batch_size",
    ]
    assert list(found["the best combinations"]) == ["trial 12", "trial 15", "trial 6", "trial 9", "trial 0", "trial 3"]
    assert "<li>trial 12: learning_rate=0.3 batch_size=32</li>" in curve_section(made, "digits")
    line = found["all trials by optimizer.learning_rate"]["0.2"]
    np.testing.assert_allclose(line["y"], [0.11, 0.21])
    half = scipy.stats.t.ppf(0.975, 2) * 0.01 / math.sqrt(3)
    np.testing.assert_allclose(line["low"], [0.11 - half, 0.21 - half], rtol=1e-5)
    assert charts(curve_section(made, "digits", one=True)).keys() == {"the best combinations"}


def test_a_range_is_cut_into_parts_and_long_lists_keep_the_best(tmp_path: Path) -> None:
    by_rate = "all trials by optimizer.learning_rate"
    made = results(tmp_path, {"learning_rate": "uniform(0.1,0.9)", "seed": range(2)}, trials=40)
    assert set(charts(curve_section(made, ""))[by_rate]) == {"0.1 to 0.3", "0.3 to 0.5", "0.5 to 0.7", "0.7 to 0.9"}
    made = results(tmp_path, {"learning_rate": [n / 10 for n in range(1, 10)], "seed": range(2)})
    assert list(charts(curve_section(made, ""))[by_rate]) == ["0.4", "0.5", "0.6", "0.7", "0.8", "0.9"]


def test_without_curves_there_is_no_section(tmp_path: Path) -> None:
    made = results(tmp_path, {"learning_rate": [0.1, 0.2], "seed": range(2)})
    bare = [Trial(t.number, t.values, "completed", 1, Outcome("completed", 0.3)) for t in made.trials]
    assert curve_section(SweepResults(made.definition, tmp_path, "completed", bare), "") == ""
