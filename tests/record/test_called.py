"""The record of called hooks: read back after any end of a process, and what TensorBoard gets."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from jaxdl.record.called import CALLED, Called


def test_calls_are_read_back_without_a_line_that_was_cut_off(tmp_path: Path) -> None:
    called = Called(tmp_path)
    called.write("one", 5, {"loss": 0.5, "worst": math.inf}, None)
    called.write("two", 5, {}, "enough")
    called.write("one", 10, {"loss": 0.25}, None)
    called.sync()
    file = tmp_path / CALLED
    file.write_bytes(file.read_bytes()[:-4])
    again = Called(tmp_path)
    assert again.get("one", 5) == {"hook": "one", "step": 5, "numbers": {"loss": 0.5, "worst": math.inf}, "stop": None}
    two = again.get("two", 5)
    assert two is not None and two["stop"] == "enough"
    assert again.get("one", 10) is None
    again.write("one", 10, {"loss": 0.125}, None)
    third = Called(tmp_path).get("one", 10)
    assert third is not None and third["numbers"] == {"loss": 0.125}
    assert Called(tmp_path, after=5).get("one", 10) is None
    assert Called(tmp_path).get("one", 10) is None and Called(tmp_path).get("one", 5) is not None


def test_tensorboard_gets_pictures_and_histograms(tmp_path: Path) -> None:
    called, random = Called(tmp_path), np.random.default_rng(0)
    grey, colours = (random.integers(0, 256, shape, np.uint8) for shape in ((4, 6), (5, 3, 3)))
    called.write_array(7, "grey", grey)
    called.write_array(7, "colours", colours)
    called.write_array(7, "single", grey[..., None])
    called.write_array(7, "values", np.array([1.0, 2.0, math.nan, 4.0]))
    called.write_array(8, "values", np.array([math.nan]))
    called.close()
    called.close()
    events = EventAccumulator(str(tmp_path / "hooks"), size_guidance={"histograms": 0}).Reload()
    for name, picture in (("grey", grey), ("single", grey), ("colours", colours)):
        image: Any = events.Images(name)[0]
        assert (image.step, image.width, image.height) == (7, picture.shape[1], picture.shape[0])
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(image.encoded_image_string))), picture)
    first, second = (each.histogram_value for each in events.Histograms("values"))
    assert (first.num, first.min, first.max, first.sum) == (3, 1.0, 4.0, 7.0)
    assert second.num == 0
