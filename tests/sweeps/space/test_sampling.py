"""The values of each trial: listed, or drawn as Optuna draws them."""

from __future__ import annotations

import collections
import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

import jaxdl
from jaxdl.errors import UserError
from jaxdl.fields import show, walk
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import Definition
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space import sampling
from jaxdl.sweeps.space.axis import Axis, parse_axis
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.space.sampling import (
    combination_key,
    distribution,
    draw,
    from_optuna,
    grid_values,
    key_of,
    quiet,
    to_optuna,
)
from jaxdl.sweeps.trials.schedule import planned_values
from tests.experiments.twins import twin

RECIPE = twin("mnist_mlp")


def define(fields: dict[str, str], **given: object) -> Definition:
    return make_definition(RECIPE, make_space(RECIPE, fields), Selection(**given))  # type: ignore[arg-type]


def axis(path: str, spec: str) -> Axis:
    return parse_axis(next(field for field in walk(RECIPE) if field.path == path), spec)


def test_a_key_is_the_same_for_the_same_values_in_any_order() -> None:
    assert key_of({"a": 1, "b": (8, 4)}) == key_of({"b": (8, 4), "a": 1})
    assert key_of({"a": 1, "b": (8, 4)}) != key_of({"a": 1, "b": (4, 8)})


def test_a_grid_that_extends_another_adds_its_own_combinations_at_the_end() -> None:
    small, large = (make_space(RECIPE, {"seed": seeds, "learning_rate": "1e-3"}) for seeds in ("1,3", "0:4"))
    values = grid_values([small, large])
    assert [each["seed"] for each in values] == [1, 3, 0, 2]
    assert values[:2] == grid_values([small])


def test_a_grid_that_would_fill_memory_is_refused_before_it_is_made() -> None:
    space = make_space(RECIPE, {"seed": "0:9000", "training.epochs": "1:9000"})
    with pytest.raises(UserError, match=r"the grid has 80,991,000 combinations"):
        grid_values([space])


def test_drawn_values_follow_from_seed_and_number_alone() -> None:
    fields = {"learning_rate": "log(1e-4,1e-1)", "batch_size": "int(8,64)", "model.features": "64,(128,64)"}
    made = define(fields, trials=200)
    values = planned_values(made)
    assert values is not None
    assert values[:150] == planned_values(dataclasses.replace(made, trials=150))
    assert values != planned_values(dataclasses.replace(made, sweep_seed=1))
    rates = np.log10([each["optimizer.learning_rate"] for each in values])
    assert -4 <= rates.min() < -3.7 and -1.3 < rates.max() <= -1
    # Evenly in the logarithm: the mean of 200 has a standard error of 0.06.
    assert abs(rates.mean() + 2.5) < 0.25
    assert all(float(f"{each['optimizer.learning_rate']:.4g}") == each["optimizer.learning_rate"] for each in values)
    sizes = {each["training.batch_size"] for each in values}
    assert min(sizes) >= 8 and max(sizes) <= 64 and len(sizes) > 40
    assert {show(each["model.features"]) for each in values} == {"64", "128,64"}


def test_listed_seeds_run_each_drawn_combination() -> None:
    made = define({"learning_rate": "log(1e-4,1e-1)", "seed": "0:3"}, trials=9)
    values = planned_values(made)
    assert values is not None
    assert [each["seed"] for each in values] == [0, 1, 2] * 3
    rates = [each["optimizer.learning_rate"] for each in values]
    assert len(set(rates)) == 3 and rates[0] == rates[1] == rates[2] and rates[3] == rates[5]


def repeated(values: list[Any] | None) -> int:
    assert values is not None
    return len(values) - len({key_of(each) for each in values})


@pytest.mark.parametrize(
    ("fields", "combinations"),
    [
        ({"learning_rate": "1e-3,1e-2", "batch_size": "16,32,64,128"}, 8),
        ({"learning_rate": "1e-3,1e-2", "batch_size": "int(8,11)"}, 8),
        ({"batch_size": "log(16,256)"}, 241),
        ({"seed": "int(0,9)"}, 10),
    ],
)
def test_no_combination_is_drawn_twice(fields: dict[str, str], combinations: int) -> None:
    for seed in range(5):
        made = define(fields, sweep_mode="random", trials=combinations, sweep_seed=seed)
        assert repeated(planned_values(made)) == 0
        assert planned_values(dataclasses.replace(made, trials=5)) == (planned_values(made) or [])[:5]


def test_no_combination_is_drawn_twice_from_a_space_that_is_too_large_to_list() -> None:
    made = define({"learning_rate": "uniform(0.1,0.1006)"}, trials=5)  # seven numbers of four digits
    rates = {each["optimizer.learning_rate"] for each in planned_values(made) or []}
    assert len(rates) == 5 and rates < {0.1, 0.1001, 0.1002, 0.1003, 0.1004, 0.1005, 0.1006}
    assert planned_values(made) == planned_values(made)


def test_no_combination_is_drawn_twice_for_listed_seeds() -> None:
    made = define({"seed": "0:3", "batch_size": "16,32,64,128"}, sweep_mode="random", trials=12)
    values = planned_values(made) or []
    assert repeated(values) == 0
    assert [each["seed"] for each in values] == [0, 1, 2] * 4
    assert [each["training.batch_size"] for each in values[::3]] == [
        each["training.batch_size"] for each in values[2::3]
    ]


def test_a_sweep_of_earlier_rules_draws_what_it_drew_before() -> None:
    """These eight were drawn at commit 32e8f50; four of them repeat."""
    fields = {"learning_rate": "1e-3,1e-2", "batch_size": "16,32,64,128"}
    made = dataclasses.replace(define(fields, sweep_mode="random", trials=8), rules=1)
    assert [tuple(each.values()) for each in planned_values(made) or []] == [
        *((0.01, 64), (0.001, 16), (0.001, 16), (0.01, 128), (0.001, 128), (0.001, 16), (0.001, 32), (0.01, 16))
    ]


def test_tpe_draws_no_combination_twice() -> None:
    made = define({"batch_size": "16,32,64", "seed": "0,1"}, sweep_mode="tpe", trials=6)
    values: list[dict[str, Any]] = []
    for number in range(6):
        keys = {combination_key(each) for each in values[: number - number % 2]}
        values.append(draw(made, number, [], keys))
    assert repeated(values) == 0 and [each["seed"] for each in values] == [0, 1] * 3
    # Of the last one that is left, when the first suggestions are all known.
    many = define({"batch_size": "int(1,400)"}, sweep_mode="tpe", trials=400)
    all_but_one = {key_of({"training.batch_size": size}) for size in range(1, 401) if size != 123}
    assert draw(many, 399, [], all_but_one) == {"training.batch_size": 123}


def test_in_a_grid_seeds_vary_fastest_where_they_are_judged_together() -> None:
    fields = {"seed": "0,1", "learning_rate": "1e-3,1e-2"}
    rates = [each["optimizer.learning_rate"] for each in planned_values(define(fields, prune="asha")) or []]
    assert rates == [1e-3, 1e-3, 1e-2, 1e-2]
    rates = [each["optimizer.learning_rate"] for each in planned_values(define(fields)) or []]
    assert rates == [1e-3, 1e-2, 1e-3, 1e-2]


@pytest.mark.parametrize(
    ("path", "spec", "expected"),
    [
        ("optimizer.learning_rate", "log(1e-4,1e-1)", FloatDistribution(1e-4, 1e-1, log=True)),
        ("optimizer.learning_rate", "uniform(0.1,0.5)", FloatDistribution(0.1, 0.5)),
        ("training.batch_size", "log(16,256)", IntDistribution(16, 256, log=True)),
        ("model.features", "int(16,64)", IntDistribution(16, 64)),
        ("model.features", "64,(128,64)", CategoricalDistribution(["(64)", "(128,64)"])),
        ("training.patience", "none,3", CategoricalDistribution([None, 3])),
    ],
)
def test_what_is_drawn_from_is_said_in_optunas_terms(path: str, spec: str, expected: Any) -> None:
    assert distribution(axis(path, spec)) == expected


@pytest.mark.parametrize(
    ("path", "spec", "value", "stored"),
    [
        ("optimizer.learning_rate", "log(1e-4,1e-1)", 0.025, 0.025),
        ("optimizer.learning_rate", "int(1,8)", 3.0, 3),
        ("model.features", "int(16,64)", (20,), 20),
        ("model.features", "64,(128,64)", (128, 64), "(128,64)"),
        ("optimizer", "adam,sgd", "sgd", "sgd"),
    ],
)
def test_a_value_is_read_from_what_optuna_stores_with_its_type(path: str, spec: str, value: Any, stored: Any) -> None:
    made = axis(path, spec)
    assert to_optuna(made, value) == stored and type(to_optuna(made, value)) is type(stored)
    assert from_optuna(made, stored) == value and type(from_optuna(made, stored)) is type(value)


def earlier(rate: float, loss: float, **more: Any) -> optuna.trial.FrozenTrial:
    """Makes a trial that is over, as a study holds it."""
    distributions: dict[str, BaseDistribution] = {"optimizer.learning_rate": FloatDistribution(1e-5, 1.0, log=True)}
    distributions |= {name: CategoricalDistribution([0, 1]) for name in more}
    return optuna.trial.create_trial(
        params={"optimizer.learning_rate": rate, **more}, distributions=distributions, value=loss
    )


@pytest.mark.parametrize(
    ("rules", "sizes", "options"),
    [(3, "16,32", {}), (4, "16,32", {"multivariate": False}), (4, "int(16,32,step=16)", {"multivariate": True})],
)
def test_tpe_draws_what_optuna_draws_from_the_same_trials(rules: int, sizes: str, options: dict[str, Any]) -> None:
    """Each field on its own where one is a list; under earlier rules all together, as is Optuna's default."""
    fields = {"learning_rate": "log(1e-5,1)", "dropout": "uniform(0,0.9)", "batch_size": sizes}
    made = dataclasses.replace(define(fields, sweep_mode="tpe", trials=40, sweep_seed=3), rules=rules)
    distributions = {each.name: distribution(each) for each in made.drawn_space.dimensions}
    drawn = np.random.default_rng(0).uniform(size=(20, 2))
    history = [
        optuna.trial.create_trial(
            params={
                "optimizer.learning_rate": float(10 ** (5 * rate - 5)),
                "model.dropout": float(0.9 * dropout),
                "training.batch_size": 32 if rate < dropout else 16,
            },
            distributions=distributions,
            value=float((rate - 0.6) ** 2 + (rate - dropout) ** 2),
        )
        for rate, dropout in drawn
    ]
    seed = int(np.random.SeedSequence([3, 20]).generate_state(1)[0])
    with quiet():
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, **options))
        study.add_trials(history)
        expected = study.ask(distributions).params
    assert draw(made, 20, history) == {path: pytest.approx(value, rel=1e-3) for path, value in expected.items()}
    assert draw(made, 20, history) == draw(made, 20, history) != draw(made, 20)


def tried_by_tpe(made: Definition, noise: np.random.Generator) -> collections.Counter[tuple[Any, Any]]:
    """Returns how often TPE tries each batch size with each network where neither has any influence."""
    distributions = {each.name: distribution(each) for each in made.drawn_space.dimensions}
    history: list[optuna.trial.FrozenTrial] = []
    earlier: list[Any] = []
    for number in range(made.trials):
        values = draw(made, number, history, set(map(key_of, earlier)))
        earlier.append(values)
        loss = (np.log10(values["optimizer.learning_rate"]) + 2.5) ** 2 + (values["model.dropout"] - 0.2) ** 2
        params = {each.name: to_optuna(each, values[each.path]) for each in made.drawn_space.dimensions}
        value = float(loss + noise.normal(0, 0.05))
        history.append(optuna.trial.create_trial(params=params, distributions=distributions, value=value))
    return collections.Counter((values["training.batch_size"], values["model.features"]) for values in earlier)


def test_tpe_does_not_stay_at_the_pair_that_was_lucky_first() -> None:
    """Of a hundred trials of each of three searches; under rules 3, with Optuna's default, most are of one pair."""
    space = {"batch_size": "16,32,64,128", "model.features": "64,128,256,512", "learning_rate": "log(1e-4,1e-1)"}
    space |= {"dropout": "uniform(0.01,0.6)", "weight_decay": "log(1e-6,1e-1)"}
    recipe = jaxdl.replace(RECIPE, {"optimizer": jaxdl.AdamW()})
    most: dict[int, float] = {}
    for rules in (3, 4):
        found = []
        for seed in range(3):
            given = Selection(sweep_mode="tpe", trials=100, sweep_seed=seed)
            made = dataclasses.replace(make_definition(recipe, make_space(recipe, space), given), rules=rules)
            found.append(max(tried_by_tpe(made, np.random.default_rng(seed)).values()))
        most[rules] = float(np.mean(found))
    assert most[4] < 50 < most[3]


def test_tpe_learns_from_trials_whatever_their_listed_seed() -> None:
    fields = {"learning_rate": "log(1e-5,1)", "seed": "0,1"}
    made = define(fields, sweep_mode="tpe", trials=60)
    rates = [float(rate) for rate in np.geomspace(1e-5, 1, 20)]
    history = [earlier(rate, abs(np.log10(rate) + 2)) for rate in rates]
    ones = [draw(made, number, history) for number in range(40, 60)]
    assert [each["seed"] for each in ones] == [0, 1] * 10
    # The best of the earlier trials was at 1e-2.
    distances = [abs(np.log10(each["optimizer.learning_rate"]) + 2) for each in ones]
    assert np.median(distances) < 0.7


def test_optuna_is_quiet_only_inside() -> None:
    before = optuna.logging.get_verbosity()
    with pytest.raises(KeyError), quiet():
        assert optuna.logging.get_verbosity() == optuna.logging.WARNING
        raise KeyError
    assert optuna.logging.get_verbosity() == before


def test_optuna_is_quiet_until_the_last_thread_is_done() -> None:
    before = optuna.logging.get_verbosity()
    inside, leaves = threading.Event(), threading.Event()

    def other() -> None:
        with quiet():
            inside.set()
            assert leaves.wait(60)

    with ThreadPoolExecutor(1) as pool:
        with quiet():
            left = pool.submit(other)
            assert inside.wait(60)
        assert optuna.logging.get_verbosity() == optuna.logging.WARNING, "the other one is still inside"
        leaves.set()
        left.result()
    assert optuna.logging.get_verbosity() == before


def test_the_combinations_of_a_sweep_are_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan, the check of all values and the order of trials ask for them, and thousands take seconds."""
    made = define({"learning_rate": "log(1e-4,1e-1)"}, trials=30)
    values = planned_values(made)
    asked: list[Any] = []

    def drawn(*given: Any) -> dict[str, Any]:
        asked.append(given)
        return {"optimizer.learning_rate": 1e-3}

    monkeypatch.setattr(sampling, "_drawn", drawn)
    again = planned_values(dataclasses.replace(made, side_by_side=8))
    assert again == values and not asked
    assert again is not None
    again[0]["optimizer.learning_rate"] = 1.0
    assert planned_values(made) == values, "a change of what was returned changes nothing"
    planned_values(dataclasses.replace(made, trials=1, sweep_seed=1))
    assert len(asked) == 1
