"""Aim, in the repository that ``AIM_REPO`` names, or ``.aim`` of the working folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import aim
import numpy as np

from jaxdl.record.trackers.tracker import TrackedRun


class Aim:
    """A `jaxdl.Tracker`: runs of the experiment of its name; the split of a figure is its context ``subset``."""

    def begin(self, run: TrackedRun) -> str | None:
        self._run = aim.Run(
            run_hash=run.earlier,
            repo=os.environ.get("AIM_REPO"),
            experiment=run.experiment,
            system_tracking_interval=None,
            log_system_params=False,
            capture_terminal_logs=False,
        )
        self._run.name = run.name
        self._run["recipe"] = {path: _plain(value) for path, value in run.config.items()}
        self._run["run_dir"] = str(run.run_dir)
        return str(self._run.hash)

    def log(self, step: int, epoch: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            split, _, figure = name.partition("/")
            self._run.track(value, name=figure, step=step, epoch=epoch, context={"subset": split})

    def show(self, step: int, name: str, value: np.ndarray | str) -> None:
        shown: Any
        if isinstance(value, str):
            shown = aim.Text(value)
        elif value.ndim == 1:
            shown = aim.Distribution(value[np.isfinite(value)])
        else:
            shown = aim.Image(value[..., 0] if value.shape[2:] == (1,) else value)
        self._run.track(shown, name=name, step=step)

    def end(self, status: str, figures: Mapping[str, float]) -> None:
        self._run["status"] = status
        self._run["figures"] = dict(figures)
        self._run.close()
        del self._run  # it counts as active while it is held


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
