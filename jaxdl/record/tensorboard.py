"""TensorBoard event files, written without TensorFlow."""

from __future__ import annotations

import io
import math
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxdl.fields import show

if TYPE_CHECKING:
    import numpy as np

_NUMBERED = re.compile(r"events\.out\.tfevents\.([0-9]+)")


class EventFile:
    """Appends numbers to a new event file of a folder, in the calling thread, so that errors reach the caller.

    The usual `SummaryWriter`s import PyTorch or TensorFlow and write in a thread that fails silently. They name the
    file by the machine and the second, so that two writers within one second use the same file.
    """

    def __init__(self, folder: Path, last_good_step: int | None = None):
        """Opens the file.

        Args:
            folder: where it goes.
            last_good_step: TensorBoard drops what earlier files of the folder say about later steps.

        Raises:
            OSError: the file cannot be created; the methods raise it when the file cannot be written.
        """
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.compat.proto.histogram_pb2 import HistogramProto
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary, self._histogram = event_pb2.Event, summary_pb2.Summary, HistogramProto
        self._metadata = summary_pb2.SummaryMetadata
        # TensorBoard reads the files in the order of their names, so they are numbered; the clock may be wrong.
        # One more than the largest number: after a file was removed, the count would be the number of an existing file.
        names = (_NUMBERED.match(path.name) for path in folder.iterdir())
        number = max((int(name[1]) for name in names if name), default=-1) + 1
        path = folder / f"events.out.tfevents.{number:06d}.jaxdl"
        self._file = RecordWriter(path.open("wb"))  # closed by `close`
        self._put(file_version="brain.Event:2")
        if last_good_step is not None:
            start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self._put(step=last_good_step + 1, session_log=start)

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Appends one event with all the numbers, by tag, and flushes it."""
        values = [self._summary.Value(tag=tag, simple_value=number) for tag, number in numbers.items()]
        self._put(step=step, summary=self._summary(value=values))
        self._file.flush()

    def write_recipe(self, step: int, name: str, config: Mapping[str, Any]) -> None:
        """Appends the fields of a recipe, by dotted path: as a text, and for the plugin of hyperparameters."""
        from tensorboard.plugins.hparams import plugin_data_pb2

        rows = [f"| {path} | {_cell(value)} |" for path, value in config.items()]
        self.write_text(step, "recipe", "\n".join(["| field | value |", "|---|---|", *rows]))
        started = plugin_data_pb2.SessionStartInfo(group_name=name, start_time_secs=time.time())
        for path, value in config.items():
            kind = "bool_value" if isinstance(value, bool) else "number_value"
            # The table of the plugin leaves out a number that is not finite.
            is_number = isinstance(value, int | float) and math.isfinite(value)
            setattr(started.hparams[path], kind if is_number else "string_value", value if is_number else _cell(value))
        data = plugin_data_pb2.HParamsPluginData(session_start_info=started)
        self._put_tensor(step, "_hparams_/session_start_info", "hparams", data.SerializeToString())

    def write_end(self, step: int, status: str) -> None:
        """Appends the end of the run for the plugin of hyperparameters."""
        from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

        known = api_pb2.STATUS_SUCCESS if status == "completed" else api_pb2.STATUS_FAILURE
        ended = plugin_data_pb2.SessionEndInfo(status=known, end_time_secs=time.time())
        data = plugin_data_pb2.HParamsPluginData(session_end_info=ended)
        self._put_tensor(step, "_hparams_/session_end_info", "hparams", data.SerializeToString())

    def write_text(self, step: int, tag: str, text: str) -> None:
        """Appends a text, which is shown as Markdown, and flushes it."""
        self._put_tensor(step, tag, "text", b"", [text.encode()])

    def _put_tensor(self, step: int, tag: str, plugin: str, content: bytes, texts: Sequence[bytes] = ()) -> None:
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_STRING

        about = self._metadata(plugin_data=self._metadata.PluginData(plugin_name=plugin, content=content))
        tensor = TensorProto(dtype=DT_STRING, string_val=texts) if texts else TensorProto(dtype=DT_FLOAT)
        tensor.tensor_shape.dim.add(size=len(texts))
        value = self._summary.Value(tag=tag, metadata=about, tensor=tensor)
        self._put(step=step, summary=self._summary(value=[value]))
        self._file.flush()

    def write_png(self, step: int, tag: str, png: bytes) -> None:
        """Appends a picture that is a PNG file, and flushes it."""
        width, height = (int.from_bytes(png[place : place + 4], "big") for place in (16, 20))
        image = self._summary.Image(height=height, width=width, colorspace=3, encoded_image_string=png)
        self._put(step=step, summary=self._summary(value=[self._summary.Value(tag=tag, image=image)]))
        self._file.flush()

    def write_picture(self, step: int, tag: str, picture: np.ndarray) -> None:
        """Appends a picture, (height, width[, channels]) uint8, and flushes it."""
        from PIL import Image

        height, width, *channels = picture.shape
        png = io.BytesIO()
        Image.fromarray(picture[..., 0] if channels == [1] else picture).save(png, format="png")
        space = (*channels, 1)[0]  # TensorBoard's number of a colour space is that of its channels
        image = self._summary.Image(height=height, width=width, colorspace=space, encoded_image_string=png.getvalue())
        self._put(step=step, summary=self._summary(value=[self._summary.Value(tag=tag, image=image)]))
        self._file.flush()

    def write_histogram(self, step: int, tag: str, values: np.ndarray) -> None:
        """Appends the histogram of values, (number,), in thirty bins, and flushes it; those not finite do not count."""
        import numpy as np  # here, so that runs are listed without it

        values = values[np.isfinite(values)].astype(np.float64)
        counts, edges = np.histogram(values, bins=30)
        histogram = self._histogram(
            min=values.min() if values.size else 0.0,
            max=values.max() if values.size else 0.0,
            num=values.size,
            sum=values.sum(),
            sum_squares=np.square(values).sum(),
            bucket_limit=edges[1:],
            bucket=counts,
        )
        self._put(step=step, summary=self._summary(value=[self._summary.Value(tag=tag, histo=histogram)]))
        self._file.flush()

    def close(self) -> None:
        """Flushes and closes the file."""
        self._file.close()

    def _put(self, **fields: Any) -> None:
        self._file.write(self._event(wall_time=time.time(), **fields).SerializeToString())


def _cell(value: Any) -> str:
    """Returns a value as it is written in a flag, for a table in Markdown."""
    return show(value).replace("|", "\\|").replace("\n", " ")
