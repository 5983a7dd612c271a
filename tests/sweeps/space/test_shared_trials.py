"""Finished trials are shared with Optuna's pruners and samplers, which decide as with copies in its own storage."""

from __future__ import annotations

import math

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState, create_trial

from jaxdl.sweeps.aims import Direction
from jaxdl.sweeps.definition import Prune
from jaxdl.sweeps.space.shared_trials import SharedTrials
from jaxdl.sweeps.trials.pruning import Rivals, is_behind
from jaxdl.sweeps.trials.trial import Outcome, Trial

EPOCHS = 9
figures = st.floats(-1, 1) | st.sampled_from([0.0, 0.5, math.nan])
curves = st.lists(st.lists(figures, min_size=1, max_size=EPOCHS), max_size=12)


def finished(found: list[list[float]]) -> list[Trial]:
    """Returns trials that ended after as many epochs as they have figures."""
    trials = []
    for number, curve in enumerate(found):
        state = "completed" if len(curve) == EPOCHS and math.isfinite(curve[-1]) else "pruned"
        outcome = Outcome(state, curve[-1], {}, dict(enumerate(curve, start=1)))  # type: ignore[arg-type]
        trials.append(Trial(number, {}, outcome.state, 1, outcome))
    return trials


def with_copies(
    pruner: optuna.pruners.BasePruner, direction: Direction, rivals: tuple[FrozenTrial, ...], number: int
) -> optuna.Trial:
    """Returns a trial of a study of Optuna's own, to which the rivals were added."""
    study = optuna.create_study(study_name="sweep", direction=direction, pruner=pruner)
    study.add_trials(rivals)
    study.add_trials([create_trial(state=TrialState.RUNNING)] * (number - len(rivals)))
    return study.ask()


@pytest.mark.parametrize(
    ("prune", "pruner"),
    [
        ("asha", optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)),
        ("median", optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=0)),
        ("hyperband", optuna.pruners.HyperbandPruner(min_resource=1, max_resource=EPOCHS, reduction_factor=3)),
    ],
)
@given(
    found=curves,
    curve=st.lists(figures, min_size=1, max_size=EPOCHS),
    direction=st.sampled_from(["minimize", "maximize"]),
    at_the_same_time=st.integers(0, 3),
)
@settings(deadline=None)
def test_what_is_decided_is_what_is_decided_with_copies(
    prune: Prune,
    pruner: optuna.pruners.BasePruner,
    found: list[list[float]],
    curve: list[float],
    direction: Direction,
    at_the_same_time: int,
) -> None:
    rivals = Rivals(prune, direction, EPOCHS).of(finished(found))
    number = len(rivals) + at_the_same_time
    expected = with_copies(pruner, direction, rivals, number)
    for epoch, figure in enumerate(curve, start=1):
        expected.report(figure, epoch)
        stopped = expected.should_prune()
        so_far = dict(enumerate(curve[:epoch], start=1))
        assert is_behind(prune, direction, EPOCHS, rivals, number, so_far) == stopped


def test_rivals_are_neither_copied_nor_changed() -> None:
    rivals = Rivals("asha", "minimize", EPOCHS).of(finished([[0.5] * EPOCHS, [0.7]]))
    before = [dict(trial.system_attrs) for trial in rivals]
    study = optuna.create_study(
        storage=SharedTrials(rivals, 5), pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1)
    )
    trial = study.ask()
    trial.report(0.6, 1)
    trial.should_prune()
    found = study.get_trials(deepcopy=False)
    assert all(one is other for one, other in zip(found, rivals, strict=False)) and len(found) == 3
    assert found[2].number == 5 and found[2].intermediate_values == {1: 0.6}
    assert study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)) == [rivals[0]]
    assert [dict(trial.system_attrs) for trial in rivals] == before


DISTRIBUTIONS: dict[str, optuna.distributions.BaseDistribution] = {
    "rate": optuna.distributions.FloatDistribution(1e-4, 1.0, log=True),
    "size": optuna.distributions.CategoricalDistribution([16, 32, 64]),
}


@pytest.mark.parametrize("directions", [["minimize"], ["minimize", "maximize"]])
@given(
    told=st.lists(st.tuples(st.floats(1e-4, 1.0), st.sampled_from([16, 32, 64]), st.floats(-1, 1)), max_size=30),
    seed=st.integers(0, 1000),
)
@settings(deadline=None, max_examples=20)
def test_tpe_draws_what_it_draws_from_copies(
    directions: list[Direction], told: list[tuple[float, int, float]], seed: int
) -> None:
    history = [
        create_trial(
            params={"rate": rate, "size": size}, distributions=DISTRIBUTIONS, values=[figure, rate][: len(directions)]
        )
        for rate, size, figure in told
    ]
    copied = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed), directions=directions)
    copied.add_trials(history)
    for number, trial in enumerate(history):
        trial.number = number
    shared = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=seed),
        directions=directions,
        storage=SharedTrials(history, len(history)),
    )
    assert shared.ask(DISTRIBUTIONS).params == copied.ask(DISTRIBUTIONS).params
