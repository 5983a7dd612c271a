"""The seeds of a combination are judged together: by the mean of their figures after the same number of epochs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import Definition
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.limits import Values
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.trials.cohorts import Cohorts, combined, in_optunas_terms
from jaxdl.sweeps.trials.pruning import Pruning
from jaxdl.sweeps.trials.schedule import Schedule, planned_values
from jaxdl.sweeps.trials.table import Table
from jaxdl.sweeps.trials.trial import Outcome, State, Trial
from tests.experiments.twins import twin

EPOCHS = 9
RECIPE = jaxdl.replace(twin("digits_mlp"), {"training.epochs": EPOCHS})
Curve = Callable[[Values, int], float]


def define(fields: dict[str, str], lag: int = 1, **given: Any) -> Definition:
    return make_definition(RECIPE, make_space(RECIPE, fields), Selection(**given), lag=lag)


def schedule(folder: Path, definition: Definition) -> Schedule:
    table = Table(folder / "study.log", definition)
    table.prepare()
    return Schedule(definition, table, folder, folder / "data", ())


def conducted(
    folder: Path, definition: Definition, loss: Curve, jobs: int = 10**6, reached: dict[int, int] | None = None
) -> list[Trial]:
    """Runs the trials of a sweep with made-up losses after each epoch.

    Args:
        folder: where the table is.
        definition: the sweep.
        loss: returns the loss of a trial after an epoch.
        jobs: how many are run at most.
        reached: the epochs of each trial so far, from which it goes on as a real one does, also in another process.
    """
    made = schedule(folder, definition)
    reached = {} if reached is None else reached
    while jobs and (job := made.next([])) is not None:
        jobs -= 1
        values, pruning, state = made.trials[job.number].values, Pruning(job), "completed"
        curve: dict[int, float] = {}
        for epoch in range(1, EPOCHS + 1):
            curve[epoch] = loss(values, epoch)
            given_up = pruning(epoch, {"validation/loss": curve[epoch]}) and epoch < EPOCHS
            if given_up and epoch >= reached.get(job.number, 0):
                state = "pruned"
                break
        reached[job.number] = max(curve)
        made.take(job.number, Outcome(state, curve[max(curve)], curve=curve))  # type: ignore[arg-type]
    return made.trials


def unlucky(values: Values, epoch: int) -> float:
    """Returns a loss that is best with the rate 1e-2, but for the one seed that begins as the worst of all."""
    rate, seed = values["optimizer.learning_rate"], values["seed"]
    if rate == 1e-2:
        return 9.0 / epoch if seed == 2 else 1.0 / epoch
    return {1e-3: 5.0, 1e-1: 8.0, 1.0: 7.0}[rate] + 1 / epoch


SEEDS_AND_RATES = [
    ({"learning_rate": "1e-3,1e-2,1e-1,1", "seed": "0:3"}, {}),
    ({"seed": "0:3", "learning_rate": "1e-3,1e-2,1e-1,1"}, {}),
    ({"learning_rate": "1e-3,1e-2,1e-1,1", "seed": "0:3"}, {"sweep_mode": "random", "trials": 12}),
]


def ends(trials: list[Trial]) -> dict[float, list[tuple[int, str, int]]]:
    """Returns for each rate the seeds, how they ended, and after how many epochs."""
    found: dict[float, list[tuple[int, str, int]]] = {}
    for trial in trials:
        assert trial.outcome is not None
        end = (trial.values["seed"], trial.state, trial.outcome.epochs)
        found.setdefault(trial.values["optimizer.learning_rate"], []).append(end)
    return found


@pytest.mark.parametrize(("fields", "given"), SEEDS_AND_RATES)
@pytest.mark.parametrize("lag", [1, 3])
def test_asha_does_not_stop_the_best_combination_by_its_worst_seed(
    tmp_path: Path, fields: dict[str, str], given: Any, lag: int
) -> None:
    definition = define(fields, lag, prune="asha", **given)
    found = ends(conducted(tmp_path, definition, unlucky))
    assert found[1e-2] == [(seed, "completed", EPOCHS) for seed in range(3)]
    # All seeds of one stop together, and those behind a better one do so after their first epoch.
    assert all(seeds == [(seed, *seeds[0][1:]) for seed in range(3)] for seeds in found.values())
    assert [rate for rate in found if found[rate][0] == (0, "pruned", 1)]


@pytest.mark.parametrize("jobs", [1, 4, 7, 11])
def test_a_sweep_that_was_stopped_anywhere_judges_as_one_that_ran_through(tmp_path: Path, jobs: int) -> None:
    definition = define(SEEDS_AND_RATES[0][0], prune="asha")
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    reached: dict[int, int] = {}
    conducted(tmp_path / "parts", definition, unlucky, jobs, reached)
    parts = conducted(tmp_path / "parts", definition, unlucky, reached=reached)
    assert ends(parts) == ends(conducted(tmp_path / "whole", definition, unlucky))


def test_a_sweep_of_earlier_rules_judges_each_seed_on_its_own(tmp_path: Path) -> None:
    definition = dataclasses.replace(define(SEEDS_AND_RATES[0][0], prune="asha"), rules=1)
    assert ends(conducted(tmp_path, definition, unlucky))[1e-2][2] == (2, "pruned", 1)


def finished(state: State, curve: dict[int, float], seed: int) -> Trial:
    objective = curve[max(curve)] if state == "completed" else None
    outcome = Outcome(state, objective, curve=curve)
    return Trial(seed, {"optimizer.learning_rate": 0.5, "seed": seed}, state, 1, outcome)


def test_several_seeds_count_as_one_with_their_means() -> None:
    one, other = finished("completed", {1: 4.0, 2: 2.0}, 0), finished("completed", {1: 2.0}, 1)  # stopped itself
    both = combined([one, other])
    assert both.outcome is not None and both.values == {"optimizer.learning_rate": 0.5}
    assert (both.state, both.objective, both.outcome.curve) == ("completed", 2.0, {1: 3.0, 2: 2.0})
    assert combined([one]) == one
    pruned = combined([one, finished("pruned", {1: 6.0}, 1)])
    assert pruned.outcome is not None and (pruned.state, pruned.objective) == ("pruned", None)
    assert pruned.outcome.curve == {1: 5.0, 2: 2.0}
    failed = combined([one, finished("failed", {1: 0.0}, 1)])
    assert failed.outcome is not None and (failed.state, failed.objective) == ("failed", None)
    assert failed.outcome.curve == one.outcome.curve if one.outcome else False


def test_a_failed_combination_counts_as_the_worst_for_what_is_drawn_next() -> None:
    from optuna.trial import TrialState

    definition = define({"learning_rate": "log(1e-3,1)", "seed": "0:2"}, sweep_mode="tpe", trials=4)
    good = in_optunas_terms(combined([finished("completed", {1: 4.0}, seed) for seed in (0, 1)]), definition)
    assert (good.state, good.value, good.params) == (TrialState.COMPLETE, 4.0, {"optimizer.learning_rate": 0.5})
    bad = in_optunas_terms(finished("failed", {1: 4.0}, 0), definition)
    assert bad.state == TrialState.PRUNED and bad.intermediate_values == {}


def test_tpe_learns_from_combinations_after_ten_of_them_whatever_the_number_of_seeds(tmp_path: Path) -> None:
    """Optuna's TPE draws its first ten trials at random: here combinations, and not their repetitions."""

    def loss(values: Values, epoch: int) -> float:
        return abs(values["optimizer.learning_rate"] - 0.5) + values["seed"] / 10

    found: list[list[float]] = []
    for name, seeds in (("one", "0:1"), ("three", "0:3")):
        (tmp_path / name).mkdir()
        count = 14 * int(seeds[-1])
        fields = {"learning_rate": "uniform(0.001,1)", "seed": seeds}
        trials = conducted(tmp_path / name, define(fields, sweep_mode="tpe", trials=count), loss)
        found.append([t.values["optimizer.learning_rate"] for t in trials if t.values["seed"] == 0])
    assert found[0] == found[1] and len(found[0]) == 14
    fields = {"learning_rate": "uniform(0.001,1)"}
    random = planned_values(define(fields, sweep_mode="random", trials=14)) or []
    assert found[0][10:] != [each["optimizer.learning_rate"] for each in random[10:]]


def test_cohorts_are_consecutive_trials() -> None:
    definition = define(SEEDS_AND_RATES[1][0], prune="asha")
    made = Cohorts(definition, planned_values(definition))
    assert [made.of(number) for number in (0, 2, 3)] == [range(3), range(3), range(3, 6)] and made.together
    assert made.within(5) == [range(3)] and len(made.within(12)) == 4 and made.place(11) == 3
    alone = Cohorts(define(SEEDS_AND_RATES[0][0]), planned_values(definition))
    assert alone.of(7) == range(7, 8) and not alone.together
