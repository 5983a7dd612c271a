"""Where the values of a field lie: listed, drawn from ranges, under conditions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from jaxdl.sweeps.results.scales import MISSING, extents, fractions_of
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.trials.trial import Trial
from tests.experiments.twins import twin

RECIPE = twin("mnist_mlp")


def trials(*values: dict[str, Any]) -> list[Trial]:
    return [Trial(number, each, "completed", 1) for number, each in enumerate(values)]


def test_listed_values_have_places_and_names() -> None:
    made = trials({"model.features": (64,)}, {"model.features": (128, 64)}, {"model.features": (64,)})
    extent = extents(make_space(RECIPE, {"model.features": "(64),(128,64)"}), made)["model.features"]
    scale = extent.scale(made)
    assert scale.positions == [0, 1, 0] and list(scale.names) == ["64", "128,64"]
    assert [extent.fraction(value) for value in ((64,), (128, 64))] == [0, 1]


def test_a_range_is_measured_in_its_logarithm() -> None:
    path = "optimizer.learning_rate"
    extent = extents(make_space(RECIPE, {"learning_rate": "log(1e-4,1e-2)"}), trials({path: 1e-3}))[path]
    assert extent.fraction(1e-3) == pytest.approx(0.5) and extent.log
    assert [name for *_, name in extent.parts(2)] == ["0.0001 to 0.001", "0.001 to 0.01"]


def test_two_ranges_of_a_field_lie_on_one_axis() -> None:
    path = "optimizer.learning_rate"
    spec = "log(1e-4,1e-2) if optimizer=adam; uniform(0.1,1) if optimizer=sgd"
    space = make_space(RECIPE, {"optimizer": "adam,sgd", "learning_rate": spec})
    extent = extents(space, trials({"optimizer": "adam", path: 1e-3}))[path]
    assert (extent.low, extent.high, extent.log) == (1e-4, 1.0, True)
    mixed = "1e-4,1e-3 if optimizer=adam; uniform(0.1,1) if optimizer=sgd"
    space = make_space(RECIPE, {"optimizer": "adam,sgd", "learning_rate": mixed})
    extent = extents(space, trials({"optimizer": "adam", path: 1e-3}))[path]
    assert (extent.low, extent.high, extent.log, extent.choices) == (1e-4, 1.0, False, ())


def test_what_a_trial_does_not_vary_lies_beside_all_values() -> None:
    path = "optimizer.momentum"
    made = trials({"optimizer": "sgd", path: 0.9}, {"optimizer": "adam"})
    fields = extents(make_space(RECIPE, {"optimizer": "adam,sgd", "momentum": "0.5,0.9 if optimizer=sgd"}), made)
    assert [fractions_of(fields, trial.values) for trial in made] == [[1, 1], [0, MISSING]]
    positions = fields[path].scale(made).positions
    assert positions[0] == 1 and math.isnan(positions[1])
    assert list(extents(make_space(RECIPE, {"seed": "0:2", "learning_rate": "1,2"}), trials({"seed": 0}))) == ["seed"]
    assert np.isnan(fields[path].scale(made[1:]).positions).all()
