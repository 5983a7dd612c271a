"""Times and traces a window of a running training, in the training's own loop."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path
from typing import Any

import jax

from jaxdl.errors import UserError

# Marks the traced steps on the host's time line of the trace.
SECTION = "jaxdl.train_steps"
# Long compared with the noise of a clock and of a machine; short enough that a trace of tiny operations (about one
# event per microsecond) is below 20 MB and is written within seconds.
_SECONDS = 0.25
_FEWEST_STEPS = 10


@dataclasses.dataclass(frozen=True)
class Window:
    """The recorded window of a steady training.

    Attributes:
        trace: the ``.xplane.pb`` file.
        steps: train steps that were traced.
        seconds: their time, by the host's clock.
        untraced_seconds_per_step: time of the steps just before them, which the tracer did not slow down.
    """

    trace: Path
    steps: int
    seconds: float
    untraced_seconds_per_step: float


@dataclasses.dataclass
class _Phase:
    """Consecutive train steps, timed in sections that begin and end with an idle device."""

    wanted: int
    steps: int = 0
    seconds: float = 0.0


def check_long_enough(steps: int) -> None:
    """Raises `UserError` for a training that is too short for a steady window.

    Raises:
        UserError: there are fewer than ten train steps.
    """
    if steps < _FEWEST_STEPS:
        raise UserError(
            f"--profile needs at least {_FEWEST_STEPS} train steps, the first of which warm up, and this run has "
            f"{steps}: raise --epochs or lower --batch_size."
        )


class Recorder:
    """Stands beside the loop that calls the train program; a `jaxdl.training.hooks.Observer`.

    The first calls warm up for a quarter of a second; then the same time is measured without the tracer, and then the
    same time with it. In a short training each gets a part of the steps. Sections end with each epoch: work between
    epochs (validation, checkpoints) is left out, as in ``train_examples_per_second``.

    Args:
        folder: folder for the trace, in the layout of TensorBoard's profile plugin.
        steps: train steps that the training still has.

    Attributes:
        paused_seconds: time of starting and stopping the tracer, in seconds; it is not training time.
    """

    def __init__(self, folder: Path, steps: int):
        self.paused_seconds = 0.0
        self._folder = folder
        self._left = steps
        self._warm_up, self._untraced, self._traced = _Phase(max(1, steps // 5)), _Phase(0), _Phase(0)
        self._phase: _Phase | None = self._warm_up
        self._begin: float | None = None
        self._last: Any = None
        self._tracing = False
        self._mark: jax.profiler.TraceAnnotation | None = None

    @property
    def window(self) -> Window | None:
        """The recorded window; None if the training ended before."""
        if self._phase is not None or not self._traced.steps:
            return None
        traces = sorted(self._folder.glob("plugins/profile/*/*.xplane.pb"), key=lambda path: path.stat().st_mtime)
        return Window(
            traces[-1], self._traced.steps, self._traced.seconds, self._untraced.seconds / self._untraced.steps
        )

    def before_call(self, steps: int) -> int:
        """Returns how many steps the next call may run, at most `steps`."""
        if self._phase is None:
            return steps
        if self._begin is None:
            self._begin_section()
        return min(steps, self._phase.wanted - self._phase.steps)

    def after_call(self, steps: int, results: Any, ends_epoch: bool) -> None:
        """Records a call that was started.

        Args:
            steps: how many steps it runs.
            results: arrays that it will return, and that stay valid.
            ends_epoch: whether it is the last of an epoch.
        """
        if self._phase is None:
            return
        self._last = results
        self._left -= steps
        self._phase.steps += steps
        whole = self._phase.steps >= self._phase.wanted
        if self._phase is self._warm_up:
            seconds = self._end_section()
            if whole or self._phase.seconds >= _SECONDS:
                # By the speed of the last call: the first ones are slower.
                wanted = max(1, min(math.ceil(_SECONDS * steps / seconds), self._left // 3))
                self._untraced.wanted = self._traced.wanted = wanted
                self._phase = self._untraced
        elif whole or ends_epoch:
            self._end_section()
            if whole:
                self._phase = self._traced if self._phase is self._untraced else None
        if self._phase is None:
            self.close()

    def close(self) -> None:
        """Ends the window; a trace that is not complete is ignored."""
        self._last = None
        self._end_mark()
        if self._tracing:
            self._tracing = False
            begin = time.perf_counter()
            jax.profiler.stop_trace()
            self.paused_seconds += time.perf_counter() - begin

    def _begin_section(self) -> None:
        jax.block_until_ready(self._last)
        if self._phase is self._traced:
            if not self._tracing:
                self._start_trace()
            self._mark = jax.profiler.TraceAnnotation(SECTION)
            self._mark.__enter__()
        self._begin = time.perf_counter()

    def _end_section(self) -> float:
        """Ends the section when the device has finished; returns its seconds."""
        assert self._phase is not None and self._begin is not None
        jax.block_until_ready(self._last)
        seconds = time.perf_counter() - self._begin
        self._end_mark()
        self._phase.seconds += seconds
        self._begin = None
        return seconds

    def _end_mark(self) -> None:
        if self._mark is not None:
            self._mark.__exit__(None, None, None)
            self._mark = None

    def _start_trace(self) -> None:
        begin = time.perf_counter()
        options = jax.profiler.ProfileOptions()
        options.python_tracer_level = 0  # every Python call would be an event and slow down the measurement
        jax.profiler.start_trace(self._folder, profiler_options=options)
        self._tracing = True
        self.paused_seconds += time.perf_counter() - begin
