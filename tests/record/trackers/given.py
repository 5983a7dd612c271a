"""What the tests give to the trackers of other tools, as a run does it: in a thread, and resumed once."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from jaxdl.record.trackers.sending import Sending
from jaxdl.record.trackers.tracker import TrackedRun, maker

CONFIG = {
    "name": "digits",
    "optimizer": "adam",
    "optimizer.learning_rate": 0.001,
    "model.features": (128, 64),
    "training.patience": None,
    "training.remat": False,
    "seed": 3,
}


def give(tracker: str, run_dir: Path) -> list[str]:
    """Gives a tracker a run of two processes, the first of which was stopped; returns what was told to the user."""
    said: list[str] = []
    run_dir.mkdir(exist_ok=True)
    run = TrackedRun("digits", run_dir.name, run_dir, CONFIG)
    first = Sending(tracker, maker(tracker), run, said.append, seconds_at_end=300)
    for epoch in (1, 2):
        first.log(10 * epoch, epoch, "train", {"train/loss": 1 / epoch, "train/odd": math.nan})
        first.log(10 * epoch, epoch, "validation", {"validation/accuracy": epoch / 4})
    first.show(20, "hooks/picture", np.arange(64, dtype=np.uint8).reshape(8, 8))
    first.show(20, "hooks/colours", np.zeros((8, 8, 3), np.uint8))
    first.show(20, "hooks/weights", np.arange(100.0))
    first.show(20, "hooks/note", "a **text**")
    first.close("preempted", {"train/loss": 0.5})
    second = Sending(tracker, maker(tracker), run, said.append, seconds_at_end=300)
    for epoch in (2, 3):  # the second epoch is trained again
        second.log(10 * epoch, epoch, "train", {"train/loss": 1 / epoch, "train/odd": math.nan})
    second.log(30, 3, "test", {"test/accuracy": 0.875})
    second.close("completed", {"test/accuracy": 0.875})
    return said
