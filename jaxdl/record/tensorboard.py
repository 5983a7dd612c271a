"""TensorBoard event files, written without TensorFlow."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
