"""The task of one worker process."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.workloads import WORKLOADS, Workload

Precision = Literal["float32", "bfloat16"]
# The speed job runs until its time is over; a schedule needs some number of epochs.
_ENDLESS = 1000


@dataclass(frozen=True)
class Task:
    """One training in one process.

    Attributes:
        workload: name of the workload.
        framework: name of the framework.
        job: ``speed``: warm up, then train for some time; ``accuracy``: train until the target is reached.
        precision: dtype of the products; parameters stay float32.
        device: ``cpu`` or ``gpu``.
        seed: seed of parameters, order and dropout.
        seconds: minimum steady time of the speed job.
        data: the folder of the workload's ``.npy`` files.
        data_dir: folder in which jaxdl finds MNIST; None: its default.
        started: `time.monotonic` just before the process was created; all processes share this clock.
    """

    workload: str
    framework: str
    job: Literal["speed", "accuracy"]
    precision: Precision
    device: str
    seed: int
    seconds: float
    data: str
    data_dir: str | None
    started: float

    @property
    def recipe(self) -> Workload:
        """The workload itself."""
        return WORKLOADS[self.workload]

    @property
    def data_folder(self) -> Path:
        """The folder of the workload's ``.npy`` files."""
        return Path(self.data)

    @property
    def train_examples(self) -> int:
        """Size of the train split in this job: see `Workload.speed_examples`."""
        recipe = self.recipe
        return recipe.speed_examples(self.device) if self.job == "speed" else recipe.train_examples

    @property
    def epochs(self) -> int:
        """Epochs of the schedule."""
        return self.recipe.epochs if self.job == "accuracy" else _ENDLESS

    def to_json(self) -> str:
        """Returns the task as one line of JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Task:
        """Rebuilds a task from the result of `to_json`."""
        return cls(**json.loads(text))
