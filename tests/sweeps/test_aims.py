"""The aims of a sweep, and the front of those that no other one beats."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.errors import UserError
from jaxdl.sweeps.aims import direction_of, direction_of_aim, front, split_aims
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import changes, from_json
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import make_space
from tests.experiments.twins import twin

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
    ],
)
def test_wrong_aims_are_named(aims: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_definition(RECIPE, make_space(RECIPE, {"seed": "0:2"}), Selection(sweep_objective=aims))


def test_several_aims_belong_to_the_definition() -> None:
    assert split_aims("validation/loss, parameters") == ("validation/loss", ("parameters",))
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
