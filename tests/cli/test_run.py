"""What becomes of an error or a signal within a command."""

from __future__ import annotations

import signal

import pytest

from jaxdl.backend.signals import Terminated
from jaxdl.cli import run as module
from jaxdl.cli.options import Options
from jaxdl.errors import UserError
from tests.sweeps.small import RECIPE


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch):
    """Makes the function of every mode raise an error."""
    monkeypatch.setattr(module, "raise_terminated", lambda: None)

    def make(error: BaseException) -> None:
        def command(*arguments: object) -> int:
            raise error

        monkeypatch.setattr(module, "function_of", lambda mode: command)

    return make


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), 130), (Terminated(signal.SIGTERM), 143)])
def test_a_signal_gives_its_status(raising, error: BaseException, status: int) -> None:
    raising(error)
    assert module.run(Options(), RECIPE, [], 0.0) == status


def test_memory_that_runs_out_is_told_with_the_way_out(raising) -> None:
    raising(MemoryError("cannot allocate"))
    with pytest.raises(UserError, match=r"out of memory \(cannot allocate\): lower --batch_size"):
        module.run(Options(), RECIPE, [], 0.0)


def test_a_timer_is_set_for_the_time_that_a_training_may_take(raising, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds: list[float] = []
    monkeypatch.setattr(module, "stop_after", seconds.append)
    raising(KeyboardInterrupt())
    module.run(Options(max_time="2min"), RECIPE, [], 0.0)
    assert seconds == [120.0]
