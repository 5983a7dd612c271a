"""CMA-ES: what it needs, and that it is Optuna's."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import numpy as np
import optuna
import pytest

from jaxdl.errors import UserError
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import Definition
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.cmaes import CmaEs
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.space.sampling import quiet
from tests.experiments.twins import twin

RECIPE = twin("mnist_mlp")
FIELDS = {"learning_rate": "log(1e-4,1)", "dropout": "uniform(0,0.9)"}
INSTALLED = importlib.util.find_spec("cmaes") is not None
needs_cmaes = pytest.mark.skipif(not INSTALLED, reason="needs the package cmaes")


def define(fields: dict[str, str], **given: Any) -> Definition:
    return make_definition(RECIPE, make_space(RECIPE, fields), Selection("cmaes", 20, **given))


@pytest.mark.parametrize(
    ("fields", "given_one", "message"),
    [
        ({"learning_rate": "log(1e-4,1)", "batch_size": "8,16"}, {}, "needs two ranges of numbers or more"),
        (FIELDS, {"sweep_objective": "validation/loss,parameters"}, "has one aim"),
    ],
)
def test_what_it_cannot_do_is_named(fields: dict[str, str], given_one: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        define(fields, **given_one)


def test_without_the_package_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cmaes", None)
    with pytest.raises(UserError, match=r"pip install cmaes .*, or give --sweep_mode=tpe"):
        define(FIELDS)


@needs_cmaes
def test_it_suggests_what_optuna_suggests() -> None:
    definition = define(FIELDS, sweep_seed=5)
    seed = int(np.random.SeedSequence(5).generate_state(1)[0])
    found = CmaEs(definition, lambda number: number)
    history: list[optuna.trial.FrozenTrial] = []
    with quiet():
        study = optuna.create_study(sampler=optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False))
    for number in range(16):
        with quiet():
            trial = study.ask(found._distributions)
        values = found.combination(number, history)
        rate, dropout = trial.params["optimizer.learning_rate"], trial.params["model.dropout"]
        assert values["optimizer.learning_rate"] == pytest.approx(rate, rel=1e-3)
        assert values["model.dropout"] == pytest.approx(dropout, rel=1e-3)
        study.tell(trial, abs(np.log10(rate) + 2) + dropout)
        history.append(study.trials[-1])
