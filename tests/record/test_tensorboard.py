"""The event files, read with TensorBoard's own reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.record import RunDirectory, read_metrics
from jaxdl.record.tensorboard import EventFile


def tensorboard_scalars(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Reads a folder with TensorBoard's own reader."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(path), size_guidance={"scalars": 0})
    reader.Reload()
    return {tag: [(e.step, e.value) for e in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


def test_tensorboard_reads_the_numbers(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path, "x") as run:
        for step in (1, 2, 3):
            run.log_metrics(step, step, "train", {"loss": 1 / step})
            run.log_metrics(step, step, "validation", {"accuracy": step / 4, "confusion": [[1]]})
        before_closing = tensorboard_scalars(tmp_path)
    expected = {
        "train/loss": [(1, 1.0), (2, 0.5), (3, np.float32(1 / 3))],
        "validation/accuracy": [(1, 0.25), (2, 0.5), (3, 0.75)],
    }
    assert before_closing == tensorboard_scalars(tmp_path) == expected


def test_a_rewound_run_has_neither_gaps_nor_repeats(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path, "x") as run:
        run.write_config({"name": "x"})
        for step in (1, 2):
            run.log_metrics(step, step, "train", {"loss": float(step)})
        mark = run.mark()
        run.log_metrics(3, 3, "train", {"loss": 3.0})
        run.log_metrics(3, 3, "test", {"accuracy": 0.5})
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 4, "epo')  # what a power failure leaves
    with pytest.raises(UserError, match=r"metrics\.jsonl is damaged \(line 5: "):
        read_metrics(tmp_path)
    with RunDirectory.create(tmp_path, "x") as run:
        run.rewind(2, mark)
        for step in (3, 4):
            run.log_metrics(step, step, "train", {"loss": 10.0 * step})
    losses = [(line["step"], line["loss"]) for line in read_metrics(tmp_path)]
    assert losses == [(1, 1.0), (2, 2.0), (3, 30.0), (4, 40.0)]
    assert tensorboard_scalars(tmp_path)["train/loss"] == losses


def test_the_events_of_earlier_runs_are_never_written_over(tmp_path: Path) -> None:
    for step in range(3):
        events = EventFile(tmp_path)
        events.write(step, {"loss": 1.0})
        events.close()
    *earlier, last = sorted(tmp_path.iterdir())
    for path in earlier:
        path.unlink()
    (tmp_path / "events.out.tfevents.notes").write_text("no number")
    before = last.read_bytes()
    EventFile(tmp_path).close()
    assert last.read_bytes() == before
    assert (tmp_path / "events.out.tfevents.000003.jaxdl").is_file(), "TensorBoard reads it after the other"
