"""Importance and partial dependence against functions of which both are known, and what their intervals say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import Definition
from jaxdl.sweeps.results.importance import Effect, effects
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.trials.schedule import planned_values
from jaxdl.sweeps.trials.trial import Outcome, Trial
from tests.experiments.twins import twin

RECIPE = jaxdl.replace(twin("mnist_mlp"), {"training.watch": "validation/accuracy"})
RATE = "optimizer.learning_rate"


def swept(fields: Mapping[str, Any], trials: int = 0) -> Definition:
    return make_definition(RECIPE, make_space(RECIPE, fields), Selection(trials=trials))


def measured(definition: Definition, figure: Callable[[Mapping[str, Any]], float]) -> dict[str, Effect]:
    done = [
        Trial(number, values, "completed", 1, Outcome("completed", figure(values)))
        for number, values in enumerate(planned_values(definition) or ())
    ]
    return {effect.path: effect for effect in effects(definition, done)}


def test_importances_are_the_shares_of_the_variance() -> None:
    parts = {"adam": 0.0, "sgd": 0.1, "lion": 0.05}
    rates = [0.1, 0.2, 0.3, 0.4]
    definition = swept({"learning_rate": rates, "optimizer": list(parts), "seed": range(3)})
    found = measured(definition, lambda values: values[RATE] + parts[values["optimizer"]])
    # Of a sum of two parts, each has its own variance: of 0.1, 0.2, 0.3, 0.4 and of 0, 0.1, 0.05.
    expected = np.var(rates) / (np.var(rates) + np.var(list(parts.values())))
    assert found[RATE].share == pytest.approx(expected, abs=0.08)
    assert found["optimizer"].share == pytest.approx(1 - expected, abs=0.08) and found["seed"].share < 0.02
    assert list(found) == [RATE, "optimizer", "seed"]
    low, high = found[RATE].interval
    assert 0 <= low <= found[RATE].share <= high <= 1


def test_partial_dependence_follows_the_figure_over_the_logarithm() -> None:
    definition = swept({"learning_rate": "log(1e-4,1e-1)", "batch_size": [32, 64]}, trials=64)
    random = np.random.default_rng(1)

    def figure(values: Mapping[str, Any]) -> float:
        return float(np.log10(values[RATE])) + (values["training.batch_size"] == 64) + random.normal(scale=0.2)

    found = measured(definition, figure)
    effect = found[RATE]
    truth = np.log10(effect.values) + 0.5
    assert np.max(np.abs(effect.mean - truth)[2:-2]) < 0.3  # of 3, and trees say less at the ends
    assert np.mean(((effect.low <= truth) & (truth <= effect.high))[2:-2]) >= 0.7
    size = found["training.batch_size"]
    assert size.values == (32, 64) and size.mean[1] - size.mean[0] == pytest.approx(1.0, abs=0.2)


def test_what_chance_alone_decides_has_wide_intervals_and_more_trials_narrower_ones() -> None:
    random = np.random.default_rng(0)
    fields = {"learning_rate": "log(1e-4,1e-1)", "batch_size": "int(16,256)"}
    widths = []
    for trials in (12, 96):
        found = measured(swept(fields, trials), lambda values: float(np.log10(values[RATE]) + random.normal(scale=0.5)))
        widths.append(found[RATE].interval[1] - found[RATE].interval[0])
        assert found["training.batch_size"].share < found[RATE].share
    assert widths[1] < widths[0] / 1.5


def test_a_field_of_one_choice_is_judged_where_it_is_varied() -> None:
    fields = {"optimizer": ["adam", "sgd"], "momentum": "uniform(0,0.9) if optimizer=sgd"}
    found = measured(swept(fields, 60), lambda values: values.get("optimizer.momentum", 5.0))
    effect = found["optimizer.momentum"]
    assert effect.mean[-1] - effect.mean[0] == pytest.approx(0.9, abs=0.25)
    assert effect.mean.max() < 1.5  # and not mixed with those of adam
    assert found["optimizer"].share > 0.8 > effect.share


def test_two_ranges_of_a_field_are_one_axis() -> None:
    fields = {
        "optimizer": ["adam", "sgd"],
        "learning_rate": "log(1e-4,1e-2) if optimizer=adam; log(1e-2,1) if optimizer=sgd",
    }
    effect = measured(swept(fields, 40), lambda values: float(np.log10(values[RATE])))[RATE]
    assert effect.values[0] == pytest.approx(1e-4) and effect.values[-1] == pytest.approx(1.0)
    assert np.all(np.diff(effect.mean) > -1e-6)


def test_few_or_equal_trials_say_nothing() -> None:
    assert measured(swept({"learning_rate": "log(1e-4,1e-1)"}, 7), lambda values: values[RATE]) == {}
    assert measured(swept({"learning_rate": "log(1e-4,1e-1)"}, 20), lambda values: 0.5) == {}


def test_the_same_trials_give_the_same_effects() -> None:
    definition = swept({"learning_rate": "log(1e-4,1e-1)", "dropout": [0.1, 0.2]}, 12)
    one, other = (measured(definition, lambda values: values[RATE]) for _ in range(2))
    assert one[RATE].interval == other[RATE].interval and np.array_equal(one[RATE].mean, other[RATE].mean)
