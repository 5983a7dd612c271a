"""Weights & Biases; offline where ``WANDB_MODE`` says so, and where no account is set up."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import wandb

from jaxdl.record.trackers.tracker import TrackedRun


class WandB:
    """A `jaxdl.Tracker`: runs of the project of its name, in the folder that ``WANDB_DIR`` says, or ``wandb``."""

    def begin(self, run: TrackedRun) -> str | None:
        self._run = wandb.init(
            project=run.experiment,
            name=run.name,
            id=run.earlier,
            resume="allow" if run.earlier else None,
            config={**run.config, "run_dir": str(run.run_dir)},
            mode=_mode(),
            reinit="create_new",  # the trials of a sweep are runs of one process
            settings=wandb.Settings(console="off", silent=True, disable_git=True, disable_code=True),
        )
        return str(self._run.id)

    def log(self, step: int, epoch: int, figures: Mapping[str, float]) -> None:
        self._run.log({**figures, "epoch": epoch}, step=step)

    def show(self, step: int, name: str, value: np.ndarray | str) -> None:
        shown: Any
        if isinstance(value, str):
            shown = wandb.Html(f"<pre>{html.escape(value)}</pre>")
        elif value.ndim == 1:
            shown = wandb.Histogram(value[np.isfinite(value)].tolist())
        else:
            shown = wandb.Image(value[..., 0] if value.shape[2:] == (1,) else value)
        self._run.log({name: shown}, step=step)

    def end(self, status: str, figures: Mapping[str, float]) -> None:
        self._run.summary.update({**figures, "status": status})
        self._run.finish(exit_code=0 if status == "completed" else 1)


def _mode() -> Any:
    """Returns the mode: without an account, one that does not ask for it."""
    if os.environ.get("WANDB_MODE"):
        return None
    return None if wandb.api.api_key else "offline"
