"""Whether the searches search: TPE against random, successive halving against whole trainings.

The problem: scikit-learn's digits with one hidden layer; learning rate (logarithmic, 1e-6 to 10), momentum, dropout and
weight decay of SGD are to be found; compared by the validation loss.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import pytest

import jaxdl
from tests.experiments.twins import twin

RECIPE = jaxdl.replace(
    twin("digits_mlp"),
    {"optimizer": jaxdl.SGD(momentum=0.5, weight_decay=1e-4, schedule=jaxdl.Cosine()), "model.features": (16,)},
)
SPACE = {
    "learning_rate": "log(1e-6,10)",
    "momentum": "uniform(0.01,0.99)",
    "dropout": "uniform(0.01,0.9)",
    "weight_decay": "log(1e-6,1)",
}


def sweep(sweep_dir: Path, **given: Any) -> jaxdl.SweepResults:
    recipe = jaxdl.replace(RECIPE, {"training.epochs": given.pop("epochs")})
    # Side by side, which is chosen by measurement, would change the last bits.
    execution = jaxdl.Execution(batch="off")
    return jaxdl.sweep(recipe, SPACE, sweep_dir=sweep_dir, execution=execution, notify=lambda text: None, **given)


@pytest.mark.slow
@pytest.mark.nightly  # its smaller siblings: test_sampling.py
def test_tpe_finds_a_better_median_than_random_over_five_seeds(tmp_path: Path) -> None:
    best: dict[str, list[float]] = {"tpe": [], "random": []}
    for mode, found in best.items():
        for seed in range(5):
            done = sweep(tmp_path / f"{mode}{seed}", mode=mode, trials=40, sweep_seed=seed, epochs=2)
            assert done.best is not None and done.best.objective is not None
            found.append(done.best.objective)
    assert statistics.median(best["tpe"]) < statistics.median(best["random"])


@pytest.mark.slow
def test_asha_reaches_the_best_of_random_in_a_third_of_its_epochs(tmp_path: Path) -> None:
    trials, epochs = 30, 27
    whole = sweep(tmp_path / "random", trials=trials, epochs=epochs)
    halved = sweep(tmp_path / "asha", trials=trials, epochs=epochs, prune="asha")
    assert whole.best is not None and whole.best.objective is not None
    spent, reached = 0, None
    for trial in halved.trials:
        assert trial.outcome is not None
        spent += max(trial.outcome.curve, default=0)
        if reached is None and trial.state == "completed" and trial.objective <= whole.best.objective:  # type: ignore[operator]
            reached = spent
    assert reached is not None and reached <= trials * epochs / 3
    # What was not given up went its whole way, to the same bits.
    for trial in halved.trials:
        if trial.state == "completed":
            assert trial.outcome.params_sha256 == whole.trials[trial.number].outcome.params_sha256  # type: ignore[union-attr]


@pytest.mark.slow
def test_hyperband_saves_epochs_and_keeps_some_trials_whole(tmp_path: Path) -> None:
    found = sweep(tmp_path / "s", trials=12, epochs=9, prune="hyperband")
    spent = sum(max(trial.outcome.curve) for trial in found.trials if trial.outcome)
    assert found.count("pruned") > 0 and found.count("completed") > 0 and spent < 0.9 * 12 * 9


@pytest.mark.slow
def test_pruned_trials_decide_the_same_again(tmp_path: Path) -> None:
    once = sweep(tmp_path / "once", trials=8, epochs=9, prune="asha")
    again = sweep(tmp_path / "again", trials=4, epochs=9, prune="asha")
    again = sweep(tmp_path / "again", trials=8, epochs=9, prune="asha", extend=True)
    rows = [[(t.state, t.values, t.outcome and t.outcome.curve) for t in found.trials] for found in (once, again)]
    assert rows[0] == rows[1] and once.count("pruned") > 0
