"""Which steps of a training are timed, and which are traced."""

from __future__ import annotations

from pathlib import Path

import jax.numpy as jnp
import pytest

from jaxdl.errors import UserError
from jaxdl.profiling.recorder import Recorder, check_long_enough


def run(recorder: Recorder, steps: int, most: int) -> list[int]:
    """Calls a recorder as a training of one epoch does; returns how many steps each call had."""
    calls = []
    while steps:
        calls.append(recorder.before_call(min(most, steps)))
        steps -= calls[-1]
        recorder.after_call(calls[-1], jnp.zeros(()), ends_epoch=not steps)
    recorder.close()
    return calls


def test_a_short_training_warms_up_is_timed_and_is_traced_in_parts_of_its_steps(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, 40)
    # A fifth warms up; a third of the other 32 is timed, and as much traced; the rest runs as it would.
    assert run(recorder, 40, most=40) == [8, 10, 10, 12]
    window = recorder.window
    assert window is not None and window.steps == 10
    assert window.trace.is_file() and window.trace.name.endswith(".xplane.pb")
    assert window.seconds > 0 and window.untraced_seconds_per_step > 0
    assert recorder.paused_seconds > 0


def test_a_training_that_ends_before_has_no_window(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, 40)
    run(recorder, 12, most=6)
    assert recorder.window is None
    assert list(tmp_path.iterdir()) == [], "no trace was begun"


def test_too_few_steps_are_refused() -> None:
    check_long_enough(10)
    with pytest.raises(UserError, match="at least 10 train steps.* and this run has 9: raise --epochs"):
        check_long_enough(9)
