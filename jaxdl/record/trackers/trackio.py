"""trackio, in the folder that ``TRACKIO_DIR`` names, or its cache in the home folder."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import trackio

from jaxdl.record.trackers.tracker import TrackedRun


class Trackio:
    """A `jaxdl.Tracker`: runs of the project of its name."""

    def begin(self, run: TrackedRun) -> str | None:
        # It prints to stdout, where results go.
        with contextlib.redirect_stdout(sys.stderr):
            self._run = trackio.init(
                project=run.experiment,
                name=run.earlier or run.name,
                config={path: _plain(value) for path, value in run.config.items()} | {"run_dir": str(run.run_dir)},
                resume="allow",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
        return str(self._run.name)

    def log(self, step: int, epoch: int, figures: Mapping[str, float]) -> None:
        self._run.log({**figures, "epoch": epoch}, step=step)

    def show(self, step: int, name: str, value: np.ndarray | str) -> None:
        shown: Any
        if isinstance(value, str):
            shown = trackio.Markdown(value)
        elif value.ndim == 1:
            shown = trackio.Histogram(value[np.isfinite(value)].tolist())
        else:
            shown = trackio.Image(value[..., 0] if value.shape[2:] == (1,) else value)
        self._run.log({name: shown}, step=step)

    def end(self, status: str, figures: Mapping[str, float]) -> None:
        with contextlib.redirect_stdout(sys.stderr):
            self._run.finish()


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
