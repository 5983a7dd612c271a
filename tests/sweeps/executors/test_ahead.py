"""Programs of trials to come are compiled while others train."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.sweeps.executors import ahead
from jaxdl.sweeps.executors.ahead import Ahead
from jaxdl.training.cache import Cache
from tests.sweeps.small import RECIPE, sweep

TRIALS: list[dict[str, Any]] = [
    {"optimizer.learning_rate": 1e-3, "model.features": (8,)},
    {"optimizer.learning_rate": 1e-2, "model.features": (8,)},
    {"optimizer.learning_rate": 1e-3, "model.features": (4,)},
    {"optimizer.learning_rate": 1e-2, "model.features": (2,)},
]


def features_of(experiment: jaxdl.Experiment) -> tuple[int, ...]:
    features: tuple[int, ...] = experiment.model.features  # type: ignore[attr-defined]
    return features


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The layers of the recipes whose programs were compiled."""
    found: list[tuple[int, ...]] = []

    def compile_ahead(cache: Cache, experiment: jaxdl.Experiment) -> bool:
        found.append(features_of(experiment))
        if found[-1] == (4,):
            raise UserError("it does not fit the data")
        return True

    monkeypatch.setattr(Cache, "compile_ahead", compile_ahead)
    monkeypatch.setattr(ahead, "usable_cores", lambda: [0, 1])
    return found


def test_each_kind_is_compiled_once_in_the_order_of_the_trials(tmp_path: Path, asked: list[tuple[int, ...]]) -> None:
    with Ahead(Cache(tmp_path, print), RECIPE, TRIALS) as compiles:
        compiles.wait()
    assert asked == [(8,), (4,), (2,)], "one that does not fit is passed over: its trial reports it"


def test_nothing_is_compiled_after_the_end(
    tmp_path: Path, asked: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    compiling, ended = threading.Event(), threading.Event()

    def compile_ahead(cache: Cache, experiment: jaxdl.Experiment) -> bool:
        asked.append(features_of(experiment))
        compiling.set()
        return ended.wait(60)

    monkeypatch.setattr(Cache, "compile_ahead", compile_ahead)
    with Ahead(Cache(tmp_path, print), RECIPE, TRIALS) as compiles:
        assert compiling.wait(60)
        compiles.stop()
        ended.set()
    assert asked == [(8,)]


def test_once_no_trial_may_begin_no_more_is_compiled(tmp_path: Path, asked: list[tuple[int, ...]]) -> None:
    with Ahead(Cache(tmp_path, print), RECIPE, TRIALS, goes_on=lambda: len(asked) < 2) as compiles:
        compiles.wait()
    assert asked == [(8,), (4,)]


def test_what_takes_long_to_compile_is_left_to_the_trials(
    tmp_path: Path, asked: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_MOST_SECONDS", 0.0)
    with Ahead(Cache(tmp_path, print), RECIPE, TRIALS) as compiles:
        compiles.wait()
    assert asked == [(8,)]


def test_kinds_are_told_apart_by_their_programs(tmp_path: Path, asked: list[tuple[int, ...]]) -> None:
    """Where the recipe has no dropout, its rate is part of the program, but not which rate above 0 a trial has."""
    trials = [{"model.dropout": rate, "model.features": (8,)} for rate in (0.1, 0.2, 0.3)]
    with Ahead(Cache(tmp_path, print), jaxdl.replace(RECIPE, {"model.dropout": 0.0}), trials) as compiles:
        compiles.wait()
    assert asked == [(8,)]


def test_without_room_or_trials_or_on_one_core_nothing_is_compiled(
    tmp_path: Path, asked: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(tmp_path, print)
    with Ahead(cache, RECIPE, ()) as compiles:
        compiles.wait()
    with monkeypatch.context() as alone:
        alone.setattr(ahead, "usable_cores", lambda: [0])
        with Ahead(cache, RECIPE, TRIALS) as compiles:
            compiles.wait()
    assert asked == []

    def compile_ahead(cache: Cache, experiment: jaxdl.Experiment) -> bool:
        asked.append(features_of(experiment))
        return False

    monkeypatch.setattr(Cache, "compile_ahead", compile_ahead)
    with Ahead(cache, RECIPE, TRIALS) as compiles:
        compiles.wait()
    assert asked == [(8,)], "there was no room for it, nor for more"


@pytest.mark.slow
def test_trials_of_many_kinds_give_the_same_bits_with_and_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = {"model.features": [(8,), (4,)], "batch_size": [16, 32], "learning_rate": [1e-3, 1e-2]}
    with monkeypatch.context() as alone:
        alone.setattr(ahead, "usable_cores", lambda: [0])
        expected = sweep(tmp_path / "alone", space)
    found = sweep(tmp_path / "ahead", space)
    for results in (found, expected):
        assert results.compiled == {"train": 4, "eval": 4}
    digests = [[trial.outcome and trial.outcome.params_sha256 for trial in each.trials] for each in (found, expected)]
    assert digests[0] == digests[1] and None not in digests[0]
