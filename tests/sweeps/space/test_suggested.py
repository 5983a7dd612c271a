"""Spaces as functions of a trial: the same combinations as Optuna's own trials give, and what is refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.space.sampling import key_of, quiet
from jaxdl.sweeps.space.space import Space
from jaxdl.sweeps.space.suggested import read_function
from tests.experiments.twins import twin

RECIPE = twin("mnist_mlp")
RATE = "optimizer.learning_rate"


def space_of(function: Callable[[Any], Any]) -> Space:
    fields, pairs = read_function(function)
    return make_space(RECIPE, fields, (), pairs)


def plain(trial: Any) -> dict[str, Any]:
    return {
        "optimizer": trial.suggest_categorical("optimizer", ["adam", "sgd"]),
        "batch_size": trial.suggest_int("size", 16, 64, step=16),
        "dropout": trial.suggest_categorical("dropout", [0.1, 0.2]),
    }


def branching(trial: Any) -> dict[str, Any]:
    values = {"optimizer": trial.suggest_categorical("optimizer", ["adam", "sgd", "rmsprop"])}
    if values["optimizer"] == "sgd":
        values["optimizer.nesterov"] = trial.suggest_categorical("nesterov", [True, False])
        values["learning_rate"] = trial.suggest_categorical("large", [0.1, 0.3])
    elif values["optimizer"] == "adam":
        values["learning_rate"] = trial.suggest_categorical("small", [0.001, 0.003])
    return values


def computing(trial: Any) -> dict[str, Any]:
    width, depth = trial.suggest_categorical("width", [8, 16]), trial.suggest_int("depth", 1, 3)
    return {"model.features": (width,) * depth, "batch_size": 32 if width * depth < 32 else 64}


def nested(trial: Any) -> dict[str, Any]:
    values = {"optimizer": trial.suggest_categorical("optimizer", ["adam", "sgd"])}
    if values["optimizer"] == "sgd":
        values["nesterov"] = trial.suggest_categorical("nesterov", [True, False])
        if values["nesterov"]:
            values["momentum"] = trial.suggest_categorical("momentum", [0.5, 0.9])
    return values


@pytest.mark.parametrize("function", [plain, branching, computing, nested])
def test_a_grid_has_what_optuna_finds_by_brute_force(function: Callable[[Any], Any]) -> None:
    found: list[dict[str, Any]] = []

    def objective(trial: optuna.Trial) -> float:
        found.append(function(trial))
        return 0.0

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.BruteForceSampler()
    with quiet():
        optuna.create_study(sampler=sampler).optimize(objective)
    paths = {
        "batch_size": "training.batch_size", "dropout": "model.dropout", "learning_rate": RATE,
        "nesterov": "optimizer.nesterov", "momentum": "optimizer.momentum",
    }  # fmt: skip
    expected = {key_of({paths.get(name, name): value for name, value in each.items()}) for each in found}
    grid = [key_of(values) for values in space_of(function).grid()]
    assert len(grid) == len(set(grid)) and set(grid) == expected


def ranged(trial: Any) -> dict[str, Any]:
    optimizer = trial.suggest_categorical("optimizer", ["adam", "sgd"])
    values = {
        "optimizer": optimizer,
        "learning_rate": trial.suggest_float(
            f"rate of {optimizer}", *((1e-4, 1e-2) if optimizer == "adam" else (1e-2, 1.0)), log=True
        ),
        "model.features": (trial.suggest_int("width", 16, 128),),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5, step=0.1),
    }
    if optimizer == "sgd":
        values["momentum"] = trial.suggest_float("momentum", 0.5, 0.99)
    return values


def test_ranges_have_their_conditions() -> None:
    specs = space_of(ranged).specs()
    assert specs == {
        "optimizer": "choice(adam,sgd)",
        RATE: "log(0.0001,0.01) if optimizer='adam'; log(0.01,1.0) if optimizer='sgd'",
        "model.features": "int(16,128)",
        "model.dropout": "uniform(0.0,0.5,step=0.1)",
        "optimizer.momentum": "uniform(0.5,0.99) if optimizer='sgd'",
    }
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    space = space_of(ranged)
    for _ in range(20):  # what Optuna draws from the function is in the space
        drawn = ranged(study.ask())
        axes = {axis.path: axis for axis in space.axes if axis.path != RATE}
        rate = next(axis for axis in space.axes if axis.path == RATE and drawn["optimizer"] in axis.spec)
        assert rate.holds(drawn["learning_rate"]) and axes["model.features"].holds(drawn["model.features"])
        assert axes["model.dropout"].spans(drawn["dropout"]) and (
            "momentum" not in drawn or axes["optimizer.momentum"].holds(drawn["momentum"])
        )


def test_ranges_stand_beside_what_is_computed() -> None:
    def function(trial: Any) -> dict[str, Any]:
        values = computing(trial)
        kind = values["batch_size"]
        return {**values, "learning_rate": trial.suggest_float(f"rate {kind}", 1e-4, 1e-2 if kind == 32 else 1e-1)}

    space = space_of(function)
    assert len(space.pairs) == 6 and space.paired == {"model.features", "training.batch_size"}
    assert space.specs()[RATE] == "uniform(0.0001,0.01) if batch_size=32; uniform(0.0001,0.1) if batch_size=64"


def computes_with_a_range(trial: Any) -> dict[str, Any]:
    return {"learning_rate": 2 * trial.suggest_float("rate", 0.1, 0.2)}


def decides_by_a_range(trial: Any) -> dict[str, Any]:
    rate = trial.suggest_float("rate", 0.1, 0.2)
    return {"learning_rate": rate, "batch_size": 32 if rate < 0.15 else 64}


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (computes_with_a_range, "return what suggest of 'rate' gives as it is"),
        (decides_by_a_range, "return what suggest of 'rate' gives as it is"),
        (lambda trial: {"learning_rate": 0.1, "seed": trial.suggest_int("a", 0, 100) and 3}, "as it is"),
        (lambda trial: [trial.suggest_float("rate", 0.1, 0.2)], "returns a dictionary"),
        (lambda trial: {}, "returns a dictionary"),
        (lambda trial: (trial.suggest_float("rate", 0.1, 0.2), {"seed": 1})[1], "no field is it"),
        (lambda trial: {"seed": trial.suggest_categorical("seed", [])}, "from no values"),
        (lambda trial: {str(n): trial.suggest_int(str(n), 0, 9) for n in range(6)}, "more than 10,000 combinations"),
    ],
)
def test_what_it_cannot_read_is_said_in_one_line(function: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(UserError) as refused:
        read_function(function)
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_a_search_takes_a_function_and_distributions_too() -> None:
    search = jaxdl.Search(RECIPE, ranged, mode="random", trials=8)
    asked = [search.ask() for _ in range(8)]
    assert {each.values["optimizer"] for each in asked} == {"adam", "sgd"}
    assert all((each.values[RATE] >= 1e-2) == (each.values["optimizer"] == "sgd") for each in asked)
    space = {
        "learning_rate": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True),
        "batch_size": optuna.distributions.CategoricalDistribution([32, 64]),
    }
    drawn = jaxdl.Search(RECIPE, space, mode="random", trials=4).ask().values
    assert 1e-4 <= drawn[RATE] <= 1e-1 and drawn["training.batch_size"] in (32, 64)


@pytest.mark.slow
def test_a_sweep_of_a_function_goes_on_and_is_loaded_without_it(tmp_path: Path) -> None:
    recipe = jaxdl.replace(twin("digits_mlp"), {"training.epochs": 1})
    given = {"sweep_dir": tmp_path / "sweep", "execution": jaxdl.Execution(batch="off"), "notify": lambda text: None}

    def function(trial: Any) -> dict[str, Any]:
        depth = trial.suggest_int("depth", 1, 2)
        return {"model.features": (8,) * depth, "learning_rate": trial.suggest_float("rate", 1e-3, 1e-1, log=True)}

    done = jaxdl.sweep(recipe, function, trials=3, **given)
    assert done.status == "completed" and all(set(trial.values) == {"model.features", RATE} for trial in done.trials)
    assert jaxdl.sweep(recipe, function, trials=3, **given).rows == done.rows
    assert jaxdl.load_sweep(tmp_path / "sweep", recipe).rows == done.rows
