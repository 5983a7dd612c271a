"""What a sweep will take, told before it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import Definition
from jaxdl.sweeps.executors.side_by_side import ONE_BY_ONE, Width
from jaxdl.sweeps.plan import Plan, make_plan
from jaxdl.sweeps.space.space import make_space
from jaxdl.training.cache import Cache
from tests.experiments.twins import twin

RECIPE = twin("digits_mlp")


def define(fields: dict[str, str], **given: object) -> Definition:
    return make_definition(RECIPE, make_space(RECIPE, fields), **given)  # type: ignore[arg-type]


def test_a_plan_reads_as_a_few_lines() -> None:
    definition = define({"learning_rate": "1e-3,1e-2", "model.features": "(8),(4)"})
    plan = Plan(definition, 3, 2, "digits", 0.00125, 61.0, ONE_BY_ONE)
    first, second, third, fourth = plan.text().splitlines()
    assert first == "sweep of digits_mlp on digits: optimizer.learning_rate=1e-3,1e-2, model.features=(8),(4)"
    assert second == "  4 trials (grid), 1 of them finished, compared by validation/loss (minimize)"
    assert third == "  to compile: 2 train and 2 eval programs"
    assert "1:01" in fourth and "one trial after another" in fourth and "1.25 ms per step" in fourth


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (Width(1, 3, 0.5), "3 trials at the same time"),
        (Width(8, 8, 0.25), "8 trials side by side in one program"),
    ],
)
def test_it_says_how_many_trials_run_at_the_same_time(width: Width, text: str) -> None:
    assert text in Plan(define({"seed": "0:8"}), 8, 1, "digits", 1e-3, 1.0, width).text()


def test_where_each_trial_learns_from_those_before_it_says_so() -> None:
    definition = define({"learning_rate": "log(1e-4,1)"}, mode="tpe", trials=9)
    text = Plan(definition, 9, 1, "digits", 1e-3, 1.0, ONE_BY_ONE).text()
    assert "one trial after another, since each depends on earlier results" in text


def test_programs_and_time_are_those_of_the_trials_that_are_left(tmp_path: Path) -> None:
    definition = define({"model.features": "(8),(4)", "seed": "0:3"})
    cache = Cache(tmp_path, lambda text: None)
    whole = make_plan(definition, cache, range(6), ONE_BY_ONE, 1)
    assert (whole.left, whole.programs, whole.data, whole.width) == (6, 2, "digits", ONE_BY_ONE)
    rest = make_plan(definition, cache, [4, 5], ONE_BY_ONE, 1)
    assert (rest.left, rest.programs) == (2, 1)
    train_examples, batch = len(cache.dataset(RECIPE).splits["train"]["targets"]), RECIPE.training.batch_size
    steps = train_examples // batch * RECIPE.training.epochs
    assert whole.step_seconds > 0 and whole.seconds > 6 * steps * whole.step_seconds
