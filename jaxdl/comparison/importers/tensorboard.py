"""Runs in folders of TensorBoard's event files, whichever tool wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxdl.comparison.importers.values import Point, imported_run, split_named
from jaxdl.comparison.runs import Run

_START, _END = "_hparams_/session_start_info", "_hparams_/session_end_info"
_OF_KERAS = "epoch_"


def read_events(folder: Path, parts: Mapping[str, Path]) -> Run:
    """Returns the run of a folder; its scalars, and the hyperparameters of the plugin.

    Args:
        folder: the folder.
        parts: the folders with its event files: itself, under an empty name, or one for each split by its name, as
            Keras writes them.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    points: list[Point] = []
    config: dict[str, Any] = {}
    status, times = "completed", []
    for name, path in sorted(parts.items()):
        # By default it keeps 10 points of a scalar that is written as a tensor.
        reader = EventAccumulator(str(path), size_guidance={"scalars": 0, "tensors": 0, "images": 1, "histograms": 1})
        reader.Reload()
        split = split_named(name)
        for tag, events in _scalars(reader).items():
            figure = f"{split}/{tag.removeprefix(_OF_KERAS)}" if split else tag
            points += [Point(step, figure, value) for step, value, _ in events]
            times += [events[0][2], events[-1][2]]
        hyperparameters, failed = _hyperparameters(reader)
        config |= hyperparameters
        status = "failed" if failed else status
    seconds = max(times) - min(times) if times else None
    experiment = folder.parent.name
    return imported_run(
        folder, "tensorboard", experiment=experiment, status=status, config=config, points=points, seconds=seconds
    )


def _scalars(reader: Any) -> dict[str, list[tuple[int, float, float]]]:
    """Returns step, value and time by tag."""
    from tensorboard.util.tensor_util import make_ndarray

    found = {tag: [(e.step, e.value, e.wall_time) for e in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}
    for tag in reader.Tags()["tensors"]:
        if reader.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
            events = reader.Tensors(tag)
            found[tag] = [(e.step, float(make_ndarray(e.tensor_proto)), e.wall_time) for e in events]
    return {tag: events for tag, events in found.items() if events}


def _hyperparameters(reader: Any) -> tuple[dict[str, Any], bool]:
    """Returns the hyperparameters, and whether the plugin's end says that the run failed."""
    from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

    def content(tag: str) -> Any:
        try:
            plugin = reader.SummaryMetadata(tag).plugin_data
        except KeyError:
            return None
        return plugin_data_pb2.HParamsPluginData.FromString(plugin.content)

    start, end = content(_START), content(_END)
    values: dict[str, Any] = {}
    for name, value in start.session_start_info.hparams.items() if start is not None else ():
        kind = value.WhichOneof("kind")
        found = getattr(value, kind) if kind else None
        values[name] = int(found) if isinstance(found, float) and found.is_integer() else found
    failed = end is not None and end.session_end_info.status == api_pb2.STATUS_FAILURE
    return values, failed
