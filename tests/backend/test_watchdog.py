"""Processes that end when a compiled program never comes back."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

import jaxdl
from jaxdl.backend.watchdog import HUNG, Watchdog
from jaxdl.training.hooks import Hooks

ROOT = Path(__file__).resolve().parents[2]


class Ended:
    """Takes the place of the end of the process."""

    def __init__(self) -> None:
        self.status: int | None = None
        self._event = threading.Event()

    def __call__(self, status: int) -> None:
        self.status = status
        self._event.set()

    def within(self, seconds: float) -> bool:
        return self._event.wait(seconds)


def test_what_takes_too_long_ends_the_process_and_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    ended = Ended()
    watchdog = Watchdog(0.2, "runs/a", ended)
    with watchdog.watch("train steps from 1"):
        pass
    with watchdog.watch("evaluation on test"):
        assert ended.within(5.0)
    assert ended.status == HUNG
    shown = capfd.readouterr().err
    assert "runs/a: evaluation on test did not come back for 0.2 s. Done before: train steps from 1." in shown
    assert "test_what_takes_too_long" in shown, "the place in Python"
    assert f"status {HUNG}" in shown


def test_many_short_calls_do_not_add_up() -> None:
    ended = Ended()
    watchdog = Watchdog(0.3, "", ended)
    for _ in range(8):
        with watchdog.watch("a call"):
            time.sleep(0.06)
    assert not ended.within(0.4), "nothing runs, so nothing hangs"


def test_an_error_inside_ends_the_watch() -> None:
    ended = Ended()
    watchdog = Watchdog(0.1, "", ended)
    with pytest.raises(ZeroDivisionError), watchdog.watch("a call"):
        raise ZeroDivisionError
    assert not ended.within(0.3)


def test_the_time_of_a_stopped_process_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after Ctrl-Z: the clock jumps between two looks."""
    clock, jump = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock() + jump[0])
    ended = Ended()
    with Watchdog(2.0, "", ended).watch("a call"):
        time.sleep(0.15)
        jump[0] = 3_600.0
        assert not ended.within(0.5)


def test_a_training_that_is_watched_gives_the_same_bits(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    ended = Ended()
    hooks = Hooks(watch=Watchdog(60.0, "", ended).watch)
    plain = jaxdl.train(recipe, run_dir=tmp_path / "a", data_dir=tmp_path, notify=None)
    watched = jaxdl.train(recipe, run_dir=tmp_path / "b", data_dir=tmp_path, notify=None, hooks=hooks)
    assert plain["params_sha256"] == watched["params_sha256"]
    assert ended.status is None


RECIPE = """
import os, time
import jax
from flax import linen as nn
import jaxdl

CALLS = []

def count():
    CALLS.append(0)
    if "HANG" in os.environ and len(CALLS) == 40:
        time.sleep(1000)

class Hanging(nn.Module):
    @nn.compact
    def __call__(self, inputs, *, train=False, lengths=None):
        if train:
            jax.debug.callback(count)
        return nn.Dense(10)(inputs.reshape(inputs.shape[0], -1))

def hanging():
    return jaxdl.Experiment(
        name="hanging", data=jaxdl.Digits(), model=Hanging(), objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.SGD(), training=jaxdl.Training(epochs=3, batch_size=64),
        checkpoint=jaxdl.Checkpointing(every="4steps"),
    )
"""


@pytest.mark.slow
def test_a_run_whose_step_hangs_ends_and_the_same_command_goes_on(tmp_path: Path) -> None:
    """Its callback never returns at the 40th step."""
    (tmp_path / "hanging.py").write_text(textwrap.dedent(RECIPE))
    command = [sys.executable, ROOT / "launch.py", "--experiment=hanging.py", "--hang_after=2s", "--run_dir=run"]
    environment = os.environ | {"HANG": "1"}

    def launch(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    first = launch(environment)
    assert first.returncode == HUNG, first.stderr
    assert "run: " in first.stderr and "did not come back for 2 s" in first.stderr
    assert "hanging.py" in first.stderr, "the line of the callback that sleeps"
    assert not (tmp_path / "run" / "summary.json").exists()
    again = launch(dict(os.environ))
    assert again.returncode == 0, again.stderr
    assert "epoch 1/3" not in again.stderr and "epoch 3/3" in again.stderr
