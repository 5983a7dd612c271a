"""What follows from the times of a comparison of sweeps."""

from __future__ import annotations

import argparse

import pytest

from benchmarks.sweep_grid import Grid
from benchmarks.sweeps import is_far, ratios

RUNS = [
    {"round": 1, "case": "jaxdl", "seconds": 10.0},
    {"round": 1, "case": "singles", "seconds": 90.0},
    {"round": 1, "case": "optuna-torch", "seconds": 40.0},
    {"round": 1, "case": "hydra-keras", "seconds": 100.0},
    {"round": 2, "case": "jaxdl", "seconds": 12.0},
    {"round": 2, "case": "singles", "seconds": 96.0},
    {"round": 2, "case": "optuna-torch", "seconds": 60.0},
]


def test_a_share_is_the_median_over_the_rounds_in_which_both_ran() -> None:
    expected = {"singles": (10 / 90 + 12 / 96) / 2, "optuna-torch": (0.25 + 0.2) / 2, "hydra-keras": 0.1}
    assert ratios(RUNS) == pytest.approx(expected)


def test_only_a_peer_that_is_far_behind_runs_once() -> None:
    cases = ("jaxdl", "singles", "optuna-torch", "hydra-keras")
    assert [case for case in cases if is_far(RUNS, case)] == ["hydra-keras"]


def test_a_grid_has_as_many_trials_as_were_asked_for() -> None:
    grid = Grid.of(argparse.Namespace(workload="mnist_cnn", rates=8, trials=24))
    assert len(set(grid.trials())) == 24 and grid.seeds == [0, 1, 2]
    assert (grid.rates[0], grid.rates[-1], len(grid.rates)) == (1e-4, 1e-2, 8)
    assert grid.recipe(0.5).optimizer.learning_rate == 0.5 and grid.recipe(0.5).batch_size == 128
