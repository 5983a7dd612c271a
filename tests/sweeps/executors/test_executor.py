"""Trials in this process: one after the other, or several in threads."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from jaxdl.backend.signals import StopSignals
from jaxdl.sweeps.executors import executor
from jaxdl.sweeps.executors.executor import Inline, import_path
from jaxdl.sweeps.trials.trial import Job, Outcome
from jaxdl.training.cache import Cache
from tests.experiments.twins import twin


def job(number: int) -> Job:
    return Job(number, twin("digits_mlp"), Path(str(number)), Path("data"), (), "validation/loss", "minimize")


def inline(folder: Path, threads: int, signals: StopSignals | None = None) -> Inline:
    cache = Cache(folder, lambda text: None)
    return Inline(threads, cache, signals or StopSignals(), lambda number: None, lambda text: None)  # type: ignore[arg-type, return-value]


def test_other_processes_import_from_where_this_one_does() -> None:
    assert import_path().split(os.pathsep) == [os.getcwd(), *filter(None, sys.path)]


def test_one_after_the_other_is_run_when_it_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[tuple[int, bool]] = []

    def run_trial(job: Job, *given: Any, **named: Any) -> Outcome:
        begun.append((job.number, threading.current_thread() is threading.main_thread()))
        return Outcome("completed", float(job.number))

    monkeypatch.setattr(executor, "run_trial", run_trial)
    with inline(tmp_path, 1) as trials:
        trials.submit(job(3))
        assert begun == []
        assert trials.wait() == (job(3), Outcome("completed", 3.0))
    assert begun == [(3, True)]


def test_several_run_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2, timeout=60)  # broken, and an error, unless two trials wait at it

    def run_trial(job: Job, *given: Any, **named: Any) -> Outcome:
        both.wait()
        return Outcome("completed", float(job.number))

    monkeypatch.setattr(executor, "run_trial", run_trial)
    with inline(tmp_path, 2) as trials:
        trials.submit(job(0))
        trials.submit(job(1))
        found = sorted((trials.wait() for _ in range(2)), key=lambda finished: finished.job.number)
    assert [(each.job.number, each.outcome.objective) for each in found] == [(0, 0.0), (1, 1.0)]


def test_a_signal_ends_the_waiting_when_all_have_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_trial(job: Job, *given: Any, **named: Any) -> Outcome:
        raise KeyboardInterrupt

    monkeypatch.setattr(executor, "run_trial", run_trial)
    with pytest.raises(KeyboardInterrupt), inline(tmp_path, 2) as trials:
        trials.submit(job(0))
        trials.submit(job(1))
        trials.wait()


def test_what_runs_out_of_memory_is_run_alone(tmp_path: Path) -> None:
    with inline(tmp_path, 2) as trials:
        trials.narrow()
        assert trials.width == 1
