"""The event files, read with TensorBoard's own reader."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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


def test_the_plugins_show_the_recipe_texts_and_hyperparameters(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

    png = io.BytesIO()
    Image.new("RGB", (3, 2)).save(png, format="png")
    for name, rate, status in (("a", 0.1, "completed"), ("b", math.inf, "diverged")):
        with RunDirectory.create(tmp_path / name, "x") as run:
            run.write_config({"name": "x", "optimizer": {"type": "adam", "learning_rate": rate}, "layers": [8, 4]})
            run.log_metrics(10, 1, "test", {"accuracy": 0.5})
            run.write_pictures(10, png.getvalue())
            run.write_summary({"status": status, "step": 10, "metrics": {}})
        events = EventFile(tmp_path / name)
        events.write_text(10, "note", "**bold**")
        events.close()
    multiplexer = EventMultiplexer({"a": str(tmp_path / "a"), "b": str(tmp_path / "b")})
    multiplexer.Reload()
    (text,) = [each.tensor_proto.string_val[0].decode() for each in multiplexer.Tensors("a", "recipe")]
    assert "| optimizer.learning_rate | 0.1 |" in text and "| layers | 8,4 |" in text
    assert multiplexer.Tensors("a", "note")[0].step == 10
    assert multiplexer.Tensors("a", "test/examples")[0].tensor_proto.string_val[:2] == [b"3", b"2"]
    provider = MultiplexerDataProvider(multiplexer, str(tmp_path))
    context = backend_context.Context(TBContext(data_provider=provider))
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0, slice_size=10, allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE]
    )
    handler = list_session_groups.Handler(RequestContext(), context, "", request)
    groups = {group.name: group for group in handler.run().session_groups}
    assert groups["a"].hparams["optimizer.learning_rate"].number_value == 0.1
    assert groups["b"].hparams["optimizer.learning_rate"].string_value == "inf"
    assert groups["a"].sessions[0].status == api_pb2.STATUS_SUCCESS
    assert groups["b"].sessions[0].status == api_pb2.STATUS_FAILURE
