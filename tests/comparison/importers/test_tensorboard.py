"""Folders of TensorBoard's event files, written by TensorBoard's own writer as others use it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util.tensor_util import make_tensor_proto

import jaxdl
from jaxdl.record import RunDirectory


def write(folder: Path, tag: str, values: list[float]) -> None:
    """Writes scalars as TensorFlow 2 and Keras do it: as tensors."""
    writer = EventFileWriter(str(folder))
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"))
    for step, value in enumerate(values):
        entry = Summary.Value(tag=tag, metadata=metadata, tensor=make_tensor_proto(value))
        writer.add_event(Event(wall_time=100.0 + step, step=step, summary=Summary(value=[entry])))
    writer.close()


def test_all_points_of_scalars_that_are_tensors_are_read(tmp_path: Path) -> None:
    values = [1 / (step + 1) for step in range(3000)]
    write(tmp_path / "logs/run", "loss/val", values)
    (run,) = jaxdl.find_runs(tmp_path)
    assert [line["loss"] for line in run.history] == pytest.approx(values, rel=1e-6)
    assert run.path == tmp_path / "logs/run" and run.experiment == "logs" and run.tool == "tensorboard"
    assert run.facts["wall_seconds"] == pytest.approx(2999, abs=1) and run.status == "completed"


def test_the_two_folders_of_keras_are_one_run(tmp_path: Path) -> None:
    write(tmp_path / "logs/fit/train", "epoch_loss", [0.5, 0.25])
    write(tmp_path / "logs/fit/validation", "epoch_loss", [0.75, 0.5])
    (run,) = jaxdl.find_runs(tmp_path)
    assert run.metrics == {"train/loss": 0.25, "validation/loss": 0.5} and run.path == tmp_path / "logs/fit"


def test_hyperparameters_and_the_status_are_those_of_the_plugin(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "a", "x") as directory:
        directory.write_config({"name": "x", "optimizer": {"type": "adam", "learning_rate": 0.1}, "seed": 3})
        directory.log_metrics(10, 1, "test", {"accuracy": 0.5})
        directory.write_summary({"status": "diverged", "step": 10, "metrics": {}})
    for file in tmp_path.glob("a/*.json*"):
        file.unlink()  # only the events are left, as where they were copied alone
    (run,) = jaxdl.find_runs(tmp_path)
    assert run.config == {"name": "x", "optimizer": "adam", "optimizer.learning_rate": 0.1, "seed": 3}
    assert run.status == "failed" and run.seed == 3 and run.metrics == {"test/accuracy": 0.5}
