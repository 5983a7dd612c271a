"""The aims of a sweep, and the front of those that no other one beats."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxdl
from jaxdl.errors import UserError
from jaxdl.sweeps.aims import direction_of, direction_of_aim, front, split_aims
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import changes, from_json
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.trials.cohorts import in_optunas_terms
from jaxdl.sweeps.trials.trial import Outcome, Trial
from tests.experiments.twins import twin

ROOT = Path(__file__).resolve().parents[2]
RECIPE = twin("mnist_mlp")
COORDINATES = st.sampled_from([0.0, 1.0, 2.0, 3.0, float("inf"), float("nan")])


def test_direction_follows_from_the_name() -> None:
    assert direction_of("validation/f1") == "maximize" and direction_of("train/loss") == "minimize"
    assert direction_of_aim("parameters") == "minimize" and direction_of_aim("examples_per_second") == "maximize"
    assert direction_of_aim("validation/loss") == "minimize"


@given(st.lists(st.tuples(COORDINATES, COORDINATES, COORDINATES), max_size=12))
def test_the_front_is_that_of_its_definition(points: list[tuple[float, float, float]]) -> None:
    finite = [place for place, point in enumerate(points) if all(each < 10 for each in point)]

    def dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
        pairs = list(zip(one, other, strict=True))
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

    expected = [place for place in finite if not any(dominates(points[each], points[place]) for each in finite)]
    assert front(points) == expected


@pytest.mark.parametrize(
    ("aims", "message"),
    [
        ("parameters", "parameters alone ranks no training"),
        ("validation/loss,seconds,seconds", "an aim is given twice"),
        ("validation/loss,size", "'size' is no aim; write SPLIT/METRIC, or one of parameters, seconds"),
        ("validation/loss,test/accuracy", "selecting by the test split"),
        ("validation/loss,", "'' is no aim"),
        ("validation/loss,parameters<=many", "'parameters<=many' is no bound; write one such as parameters<=100000"),
        ("validation/loss,parameters<1<2", "'parameters<1<2' is no bound"),
        ("validation/loss,parameters<nan", "'parameters<nan' is no bound"),
        ("validation/loss,size<3", "'size' is no aim"),
        ("validation/loss,test/loss<3", "selecting by the test split"),
        ("parameters<3", "name the figure to rank by before the bounds"),
    ],
)
def test_wrong_aims_are_named(aims: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_definition(RECIPE, make_space(RECIPE, {"seed": "0:2"}), Selection(sweep_objective=aims))


def test_several_aims_belong_to_the_definition() -> None:
    assert split_aims("validation/loss, parameters") == ("validation/loss", ("parameters",), ())
    space = make_space(RECIPE, {"seed": "0:2"})
    one, two = (
        make_definition(RECIPE, space, Selection(sweep_objective=aims))
        for aims in ("validation/loss", "validation/loss,parameters")
    )
    read = from_json(two.to_json(), RECIPE)
    assert read.others == ("parameters",) and read.digest() == two.digest() != one.digest()
    assert changes(one, two) == ["--sweep_objective is parameters (not absent)"]
    assert two.directions == ("minimize", "minimize") and two.losses([1.0, None]) == [1.0, float("inf")]
    with pytest.raises(UserError, match="judges trials by one figure"):
        make_definition(RECIPE, space, Selection(sweep_objective="validation/loss,parameters", prune="asha"))


def test_bounds_belong_to_the_definition() -> None:
    aims, others, bounds = split_aims("validation/loss, parameters <= 1e5, seconds<60")
    assert (aims, others, [str(bound) for bound in bounds]) == (
        "validation/loss",
        (),
        ["parameters<=100000", "seconds<60"],
    )
    assert bounds[0].keeps(100_000.0) and not bounds[0].keeps(100_001.0) and not bounds[1].keeps(60.0)
    assert not bounds[0].keeps(None)
    space = make_space(RECIPE, {"seed": "0:2"})
    with_bound = make_definition(RECIPE, space, Selection(sweep_objective="validation/loss,parameters<=1e5"))
    read = from_json(with_bound.to_json(), RECIPE)
    assert read.bounds == (bounds[0],) and read.digest() == with_bound.digest()
    assert changes(make_definition(RECIPE, space, Selection(sweep_objective="validation/loss")), with_bound) == [
        "--sweep_objective is parameters<=100000 (not absent)"
    ]


def test_the_best_keeps_the_bounds(tmp_path) -> None:
    small = {"model.features": [(32,), (4,), (8,)]}
    run = {"sweep_dir": tmp_path / "all", "notify": lambda text: None}
    recipe = jaxdl.replace(jaxdl.load_experiment("digits_mlp", ROOT / "experiments"), {"training.epochs": 2})
    free = jaxdl.sweep(recipe, small, **run)
    sizes = {
        trial.values["model.features"]: trial.outcome.costs["parameters"] for trial in free.trials if trial.outcome
    }
    most = max(sizes[(4,)], sizes[(8,)])
    assert free.best is not None and free.best.values["model.features"] == (32,) and sizes[(32,)] > most
    run["sweep_dir"] = tmp_path / "bounded"
    bounded = jaxdl.sweep(recipe, small, sweep_objective=f"validation/loss,parameters<={most}", **run)
    ranked = [group.values["model.features"] for group in bounded.groups]
    assert bounded.best is not None and ranked[-1] == (32,) and bounded.best.values["model.features"] == ranked[0]
    assert [group.values["model.features"] for group in bounded.front] == ranked[:1]
    loaded = jaxdl.load_sweep(run["sweep_dir"], recipe).best
    assert loaded is not None and loaded.number == bounded.best.number
    run["sweep_dir"] = tmp_path / "none"
    assert jaxdl.sweep(recipe, small, sweep_objective="validation/loss,parameters<10", **run).best is None


def test_a_search_avoids_what_does_not_keep_a_bound() -> None:
    space = make_space(RECIPE, {"learning_rate": "log(1e-4,1e-1)"})
    aims = "validation/loss,seconds<10"
    definition = make_definition(RECIPE, space, Selection("tpe", trials=9, sweep_objective=aims))
    outcome = Outcome("completed", 0.5, curve={1: 0.5}, seconds=20.0)
    slow = Trial(0, {"optimizer.learning_rate": 0.01}, "completed", 1, outcome)
    fast = dataclasses.replace(slow, outcome=dataclasses.replace(outcome, seconds=5.0))
    assert in_optunas_terms(fast, definition).value == 0.5
    told = in_optunas_terms(slow, definition)
    assert told.state.name == "PRUNED" and not told.intermediate_values  # as of one that failed
