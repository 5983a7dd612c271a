"""The profile of one training: ``RUN_DIR/profile/``, with a trace and ``profile.json``."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax

from jaxdl.backend.rates import measured_peak
from jaxdl.files.atomic import replace_file
from jaxdl.profiling.program import Operation, operations_of
from jaxdl.profiling.recorder import Recorder, Window, check_long_enough
from jaxdl.profiling.trace import Division, divide, read_trace
from jaxdl.training.loop import Trainer

_FOLDER, _FILE = "profile", "profile.json"
_NANOSECONDS = 1e9
_UNKNOWN = Operation("", "", False, "")


class Profiler:
    """Traces a part of a training, and computes from the trace where the time of a step goes.

    Args:
        run_dir: the run directory.
        trainer: the training. Its programs are compiled here, so that their operations have this model's names: for JAX
            two programs that differ only in names are the same, so the compilation cache could return the other one.

    Raises:
        UserError: the training is too short, or the model does not fit the data.
    """

    def __init__(self, run_dir: Path, trainer: Trainer):
        check_long_enough(trainer.total_steps)
        self._folder = run_dir / _FOLDER
        self._trainer = trainer
        self._recorder: Recorder | None = None
        name = "jax_compilation_cache_include_metadata_in_key"
        before = getattr(jax.config, name)
        jax.config.update(name, True)
        try:
            trainer.compile()
        finally:
            jax.config.update(name, before)

    @contextlib.contextmanager
    def recording(self, steps: int) -> Iterator[Recorder]:
        """Yields the observer of a training with that many steps, and ends an open trace."""
        self._recorder = Recorder(self._folder, steps)
        try:
            yield self._recorder
        finally:
            self._recorder.close()

    def write(self, notify: Callable[[str], None]) -> dict[str, Any] | None:
        """Evaluates what was recorded, measures the device's peak, and writes ``profile.json``.

        ``seconds_per_step`` holds means over the traced steps, and over the devices:

        - ``compute``: operations of the step; ``between`` is the part between two operations;
        - ``input``: operations that gather, normalise and augment the batch; if XLA fused one into another, it counts
          there;
        - ``host``: the device waits for Python;
        - ``wall``: the three together, the time of the traced steps by the trace's clock; ``window_seconds`` is the
          time of all traced steps by the host's clock;
        - ``untraced``: the time of the steps just before the trace. The tracer slows small operations, so the achieved
          rate is computed from this time.

        ``compile_seconds`` is the compile time of the whole run. ``operations`` are sorted by time.

        Args:
            notify: called with a message if the training ended before its trace was complete, or the trace has no
                operation.

        Returns:
            The content of the file, or None.

        Raises:
            UserError: the file cannot be written.
        """
        (self._folder / _FILE).unlink(missing_ok=True)  # from an earlier part of this run
        window = self._recorder.window if self._recorder else None
        if window is None:
            notify("--profile: the training ended before a part of it could be traced; train for more steps.")
            return None
        operations = operations_of(self._trainer.programs.optimized_text("train"))
        divisions = _divisions(window, {name for name, operation in operations.items() if operation.is_container})
        if not divisions:
            notify(f"--profile: {window.trace} has no operation of this backend, so there are no times.")
            return None
        profile = {
            "steps": window.steps,
            "window_seconds": window.seconds,
            "seconds_per_step": _times(window, divisions, operations),
            "compile_seconds": self._trainer.compile_seconds,
            **_rate(self._trainer, window, len(divisions)),
            "operations": _rows(window, divisions, operations),
            "trace": str(window.trace.relative_to(self._folder)),
        }
        replace_file(self._folder / _FILE, json.dumps(profile, indent=1, allow_nan=False))
        return profile


def read_profile(run_dir: Path) -> dict[str, Any] | None:
    """Returns the content of a run's ``profile.json``; None if there is none."""
    file = run_dir / _FOLDER / _FILE
    return json.loads(file.read_text()) if file.exists() else None


def _divisions(window: Window, containers: set[str]) -> list[Division]:
    """Divides the window's time on each device with operations in the trace."""
    trace = read_trace(window.trace)
    shown = {name: runs for name, runs in trace.devices.items() if runs}
    return [divide(trace.sections, runs, trace.programs[name], containers) for name, runs in shown.items()]


def _times(window: Window, divisions: list[Division], operations: Mapping[str, Operation]) -> dict[str, float]:
    scale = _NANOSECONDS * window.steps * len(divisions)
    input_time = sum(
        time
        for division in divisions
        for name, time in division.operations.items()
        if operations.get(name, _UNKNOWN).layer == "input"
    )
    between = sum(division.between for division in divisions)
    compute = sum(sum(division.operations.values()) for division in divisions) - input_time + between
    host = sum(division.waiting for division in divisions)
    return {
        "compute": compute / scale,
        "between": between / scale,
        "input": input_time / scale,
        "host": host / scale,
        "wall": (compute + input_time + host) / scale,
        "untraced": window.untraced_seconds_per_step,
    }


def _rows(window: Window, divisions: list[Division], operations: Mapping[str, Operation]) -> list[dict[str, Any]]:
    times: dict[str, float] = defaultdict(float)
    runs: dict[str, int] = defaultdict(int)
    for division in divisions:
        for name, time in division.operations.items():
            times[name] += time
            runs[name] += division.runs.get(name, 0)
    wall = sum(times.values()) + sum(division.between + division.waiting for division in divisions)
    scale = window.steps * len(divisions)
    rows = []
    for name, time in sorted(times.items(), key=lambda item: -item[1]):
        operation = operations.get(name, _UNKNOWN)
        rows.append(
            {
                "name": name,
                "kind": operation.kind,
                "layer": operation.layer,
                "backward": operation.backward,
                "primitive": operation.primitive,
                "seconds_per_step": time / _NANOSECONDS / scale,
                "runs_per_step": runs[name] / scale,
                "share": time / wall,
            }
        )
    return rows


def _rate(trainer: Trainer, window: Window, devices: int) -> dict[str, Any]:
    flops = trainer.programs.step_flops
    peaks = {dtype: measured_peak(dtype) for dtype in flops or ("float32",)}
    # Each dtype at its own peak: the minimum time of the step's products.
    least = sum(count / (peaks[dtype].flops_per_second * devices) for dtype, count in flops.items())
    return {
        "device": jax.devices()[0].device_kind,
        "devices": devices,
        "flops_per_step": sum(flops.values()),
        "flops_per_second": sum(flops.values()) / window.untraced_seconds_per_step,
        "share_of_peak": least / window.untraced_seconds_per_step,
        "peaks": {dtype: dataclasses.asdict(peak) for dtype, peak in peaks.items()},
    }
