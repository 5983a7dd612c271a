"""What a sweep will take, told before it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

import jaxdl
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import Definition
from jaxdl.sweeps.executors.side_by_side import ONE_BY_ONE, Width
from jaxdl.sweeps.plan import Plan, make_plan
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import make_space
from jaxdl.training.cache import Cache
from tests.experiments.twins import twin

RECIPE = twin("digits_mlp")


def define(fields: dict[str, str], selection: Selection | None = None) -> Definition:
    return make_definition(RECIPE, make_space(RECIPE, fields), selection)


def test_a_plan_reads_as_a_few_lines() -> None:
    definition = define({"learning_rate": "1e-3,1e-2", "model.features": "(8),(4)"})
    plan = Plan(definition, 3, 2, "digits", 0.00125, 61.0, ONE_BY_ONE)
    first, second, third, fourth = plan.text().splitlines()
    assert first == "sweep of digits_mlp on digits: optimizer.learning_rate=1e-3,1e-2, model.features=(8),(4)"
    assert second == "  4 trials (grid), 1 of them finished, compared by validation/loss (minimize)"
    assert third == "  to compile: 2 train and 2 eval programs"
    assert "1:01" in fourth and "one trial after another" in fourth and "1.25 ms per step" in fourth


def test_the_time_has_that_of_compiling_in_it_and_the_first_trials_are_listed() -> None:
    definition = define({"learning_rate": "1e-3,1e-2", "model.features": "(8),(4)"})
    first = [{"optimizer.learning_rate": 1e-3, "model.features": (8,)}]
    plan = Plan(definition, 3, 2, "digits", 0.00125, 1.0, ONE_BY_ONE, compile_seconds=15.0, first=first)
    assert "estimated time: 0:31 (0:30 of it compiling), one trial after another" in plan.text()
    assert plan.first_text().splitlines() == [
        "  first trials:",
        "    optimizer.learning_rate=0.001, model.features=8",
        "    2 others",
    ]


def test_conditions_and_all_aims_are_named() -> None:
    space = make_space(RECIPE, {"batch_size": "8,16,32"}, ["batch_size * 2 <= 32"])
    definition = make_definition(RECIPE, space, Selection(sweep_objective="validation/loss,parameters"))
    text = Plan(definition, 2, 1, "digits", 1e-3, 1.0, ONE_BY_ONE).text()
    assert "  only where batch_size * 2 <= 32\n" in text
    assert "2 trials (grid), compared by validation/loss (minimize) and parameters (minimize)" in text


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
    definition = define({"learning_rate": "log(1e-4,1)"}, Selection(sweep_mode="tpe", trials=9))
    text = Plan(definition, 9, 1, "digits", 1e-3, 1.0, ONE_BY_ONE).text()
    assert "one trial after another, since each depends on earlier results" in text


def test_it_says_how_trials_may_overlap_until_a_search_has_begun() -> None:
    definition = define({"learning_rate": "log(1e-4,1)"}, Selection(sweep_mode="tpe", trials=9))
    new, begun = (Plan(definition, left, 1, "digits", 1e-3, 1.0, ONE_BY_ONE).text() for left in (9, 5))
    assert "(--workers=2 lets two overlap)" in new and "--workers" not in begun, "what it began with is kept"


@pytest.mark.slow
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


def test_no_thread_imports_while_the_data_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing TFDS gives lazy stand-ins to every thread that imports meanwhile."""
    events: list[str] = []
    load = Cache.dataset

    def dataset(cache: Cache, experiment: jaxdl.Experiment) -> jaxdl.Dataset:
        found = load(cache, experiment)
        events.append("data")
        return found

    monkeypatch.setattr(Cache, "dataset", dataset)
    monkeypatch.setattr("jaxdl.sweeps.plan.import_what_trials_need", lambda: events.append("imports"))
    definition = define({"learning_rate": "1e-3,1e-2"})
    make_plan(definition, Cache(tmp_path, lambda line: None), [0, 1], ONE_BY_ONE, 1)
    assert events[0] == "data" and "imports" in events


def test_what_several_data_sets_need_is_imported_before_any_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    monkeypatch.setattr(jaxdl.Digits, "import_libraries", lambda source: events.append("libraries"))
    monkeypatch.setattr("jaxdl.sweeps.plan.import_what_trials_need", lambda: events.append("imports"))
    for fields, expected in (({"seed": "0:2"}, ["imports"]), ({"data.validation": "0.1,0.2"}, ["libraries"] * 2)):
        events.clear()
        make_plan(define(fields), Cache(tmp_path, lambda line: None), [0, 1], ONE_BY_ONE, 1)
        assert [*events, "imports"][: len(expected)] == expected
