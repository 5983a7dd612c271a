"""MLflow, by its client: where its environment variables say, such as ``MLFLOW_TRACKING_URI``."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

import numpy as np
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from jaxdl.fields import show as shown
from jaxdl.record.trackers.tracker import TrackedRun

_NOT_ALLOWED = re.compile(r"[^\w\-./ ]")
_PARAMETERS_AT_ONCE = 100
_STATUSES = {"completed": "FINISHED", "preempted": "KILLED"}


class MLflow:
    """A `jaxdl.Tracker`: runs of the experiment of its name, with the recipe's fields as parameters."""

    def begin(self, run: TrackedRun) -> str | None:
        self._client = MlflowClient()
        if run.earlier:
            self._id = run.earlier
            self._client.update_run(self._id, status="RUNNING")
            return self._id
        tags = {"jaxdl.run_dir": str(run.run_dir)}
        self._id = self._client.create_run(self._experiment(run.experiment), run_name=run.name, tags=tags).info.run_id
        values = [Param(_name(path), shown(value)) for path, value in run.config.items()]
        for first in range(0, len(values), _PARAMETERS_AT_ONCE):
            self._client.log_batch(self._id, params=values[first : first + _PARAMETERS_AT_ONCE])
        return str(self._id)

    def log(self, step: int, epoch: int, figures: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        values = [Metric(_name(name), value, now, step) for name, value in figures.items()]
        self._client.log_batch(self._id, metrics=[*values, Metric("epoch", epoch, now, step)])

    def show(self, step: int, name: str, value: np.ndarray | str) -> None:
        file = f"{_name(name)}/{step:07d}"
        if isinstance(value, str):
            self._client.log_text(self._id, value, f"{file}.txt")
        elif value.ndim == 1:  # it has no histograms of its own
            counts, edges = np.histogram(value[np.isfinite(value)], bins=30)
            self._client.log_dict(self._id, {"counts": counts.tolist(), "edges": edges.tolist()}, f"{file}.json")
        else:
            self._client.log_image(self._id, value, f"{file}.png")

    def end(self, status: str, figures: Mapping[str, float]) -> None:
        self._client.log_batch(self._id, tags=[RunTag("jaxdl.status", status)])
        self._client.set_terminated(self._id, status=_STATUSES.get(status, "FAILED"))

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._client.create_experiment(name))
            except MlflowException:  # another run has just created it
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)


def _name(name: str) -> str:
    return _NOT_ALLOWED.sub("_", name)
