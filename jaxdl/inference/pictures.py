"""Predictions for each pixel of an image as pictures: masks of classes, probabilities, reconstructions."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxdl.data import Spec
from jaxdl.data.images import MODES
from jaxdl.objectives import Objective
from jaxdl.report.colours import MOST_CLASSES, class_colours

# Of the picture of some test examples, in pixels.
_SHOWN, _HEIGHT, _GAP, _LABELS = 8, 96, 4, 90


@dataclass(frozen=True)
class Picture:
    """A picture.

    Attributes:
        pixels: (height, width) or (height, width, 3) uint8: brightness from black to white, or with `classes` the
            numbers of classes.
        classes: whether pixels are classes, which are shown in colours.
    """

    pixels: np.ndarray
    classes: bool = False

    def png(self) -> bytes:
        """Returns the file; of classes, a pixel holds its class number, and the palette is that of PASCAL VOC."""
        from PIL import Image

        image = Image.fromarray(self.pixels)
        if self.classes:
            image = image.convert("P")  # keeps the numbers
            image.putpalette(class_colours().reshape(-1).tolist())
        file = io.BytesIO()
        image.save(file, "PNG")
        return file.getvalue()

    def colours(self) -> np.ndarray:
        """Returns it as (height, width, 3) uint8."""
        if self.classes:
            coloured: np.ndarray = class_colours()[self.pixels]
            return coloured
        gray = self.pixels.reshape(*self.pixels.shape[:2], -1)
        return np.broadcast_to(gray, (*gray.shape[:2], 3))


def has_pictures(objective: Objective, spec: Spec, shape: Sequence[int]) -> bool:
    """Returns whether predictions (examples, ...) of a shape without its first number are pictures; see `pictures`."""
    if len(spec.input_shape) != 3 or spec.input_shape[2] not in MODES:
        return False
    size = spec.input_shape[:2]
    if objective.of_inputs:
        return tuple(shape) == spec.input_shape
    if objective.kind == "classes":
        return tuple(shape[:-1]) == size and shape[-1] <= MOST_CLASSES
    return objective.kind == "questions" and tuple(shape) == size


def pictures(objective: Objective, predictions: np.ndarray) -> list[Picture]:
    """Returns predictions as pictures: the most probable class of each pixel, the probability of yes, or what they are.

    Args:
        objective: that of the model.
        predictions: (examples, height, width, ...) float32, for which `has_pictures`.
    """
    if objective.kind == "classes":
        return [Picture(each, True) for each in predictions.argmax(-1).astype(np.uint8)]
    return [Picture(each) for each in _bytes(predictions)]


def examples_sheet(
    objective: Objective, spec: Spec, inputs: np.ndarray, targets: np.ndarray, predictions: np.ndarray
) -> bytes | None:
    """Returns a picture, as a PNG file, of some examples: inputs above targets above predictions.

    Args:
        objective: that of the model.
        spec: describes the data.
        inputs: (examples, ...) as stored; the first few are shown.
        targets: (examples, ...) as stored; not read where predictions are reconstructions.
        predictions: (examples, ...) float32 of the model.

    Returns:
        None if the model's predictions are no pictures.
    """
    if not has_pictures(objective, spec, predictions.shape[1:]):
        return None
    predictions = predictions[:_SHOWN]
    shown = np.asarray(inputs[:_SHOWN], np.float32) * np.float32(spec.preprocess.scale)
    rows = {"input": [Picture(each) for each in _bytes(shown)]}
    if objective.of_inputs:
        return _sheet(rows | {"reconstruction": pictures(objective, predictions)})
    targets = targets[:_SHOWN]
    if targets.shape == predictions.shape:  # probabilities
        rows["target"] = pictures(objective, targets)
    elif objective.kind == "classes":
        rows["target"] = [Picture(each.astype(np.uint8), True) for each in targets]
    else:
        rows["target"] = [Picture(each) for each in _bytes(targets)]
    return _sheet(rows | {"prediction": pictures(objective, predictions)})


def _sheet(rows: dict[str, list[Picture]]) -> bytes:
    """Returns rows of pictures with their names as one picture."""
    from PIL import Image, ImageDraw

    height, width = rows["input"][0].pixels.shape[:2]
    wide = max(1, round(_HEIGHT * width / height))
    size = (_LABELS + len(rows["input"]) * (wide + _GAP), len(rows) * (_HEIGHT + _GAP))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for row, (name, shown) in enumerate(rows.items()):
        top = row * (_HEIGHT + _GAP)
        draw.text((0, top + _HEIGHT // 2), name, fill="black")
        for column, picture in enumerate(shown):
            image = Image.fromarray(picture.colours()).resize((wide, _HEIGHT), Image.Resampling.NEAREST)
            sheet.paste(image, (_LABELS + column * (wide + _GAP), top))
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def _bytes(values: np.ndarray) -> np.ndarray:
    """Returns numbers in [0, 1] as brightness, (..., height, width) or with a last axis of 3 channels, uint8."""
    values = values[..., 0] if values.shape[-1] == 1 and values.ndim > 3 else values
    brightness: np.ndarray = np.rint(255 * np.clip(np.nan_to_num(values), 0, 1)).astype(np.uint8)
    return brightness
