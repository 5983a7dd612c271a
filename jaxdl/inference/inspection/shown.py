"""Examples as JSON from which the report draws them: pictures, tokens, spectrograms, curves, rows of a table."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxdl.data import Spec
from jaxdl.data.inspection import feature_names
from jaxdl.data.named import full_name, view
from jaxdl.data.texts.coding import UNKNOWN
from jaxdl.data.trees.facts import shown_trees
from jaxdl.inference.inspection.judged import letter
from jaxdl.report.sounds import spectrogram_pictures, wave_pictures

_PIXELS = 96  # of the longer side of a picture
_MOST_TOKENS, _MOST_POINTS, _MOST_CURVES, _MOST_COLUMNS = 120, 200, 4, 24

_UNKNOWN_SIGN = "\ufffd"

Shown = dict[str, Any]


def show_inputs(spec: Spec, batch: Mapping[str, np.ndarray]) -> list[Shown]:
    """Returns the inputs of some examples, a mapping for each, by what they are.

    Args:
        spec: describes the data.
        batch: ``inputs`` (examples, ...) as stored, ``lengths`` where there are some, and for sounds that the model
            reads as spectrograms these, ``spectrograms`` (examples, frames, bands).

    Returns:
        ``pictures``: names and PNG files in base64; ``tokens``: texts, and which of them are ``unknown``; ``text``;
        ``row``: names and values; or ``curves``: names and numbers, one for each step.
    """
    inputs, lengths = batch["inputs"], batch.get("lengths")
    ends = [len(row) if row.ndim else 1 for row in inputs] if lengths is None else [int(each) for each in lengths]
    if spec.coding is not None:
        return [_tokens(spec, row[:end]) for row, end in zip(inputs, ends, strict=True)]
    if spec.trees is not None:
        return [{"text": text} for text in shown_trees(inputs, np.asarray(ends), spec.trees)]
    if spec.rate:
        return _sounds(spec, inputs, np.asarray(ends), batch.get("spectrograms"))
    if is_picture(spec):
        return [{"pictures": [["input", png(each)]]} for each in np.asarray(scaled_inputs(spec, inputs))]
    if spec.columns and spec.windows is None:
        return [{"row": _row(spec, row)} for row in inputs]
    if spec.vocabulary and inputs.ndim == 2:
        return [_ids(spec, row[:end]) for row, end in zip(inputs, ends, strict=True)]
    if inputs.ndim == 2 and not spec.lengths and spec.windows is None and 1 < inputs.shape[1] <= _MOST_COLUMNS:
        return [{"row": [[f"input {n}", f"{value:.4g}"] for n, value in enumerate(row, 1)]} for row in inputs]
    if inputs.ndim in (2, 3) and inputs.shape[1] > 1:
        return [{"curves": _curves(spec, row[:end])} for row, end in zip(inputs, ends, strict=True)]
    return [{"text": " ".join(f"{value:.4g}" for value in row.reshape(-1)[:_MOST_COLUMNS])} for row in inputs]


def show_all_inputs(spec: Spec, batch: Mapping[str, np.ndarray]) -> list[Shown]:
    """Returns the inputs of some examples, where they have several as ``parts``: the name and the mapping of each.

    Args:
        spec: describes the data.
        batch: the arrays of a split, and ``spectrograms`` or ``spectrograms/NAME``; see `show_inputs`.
    """
    if not spec.inputs:
        return show_inputs(spec, batch)
    by_name = {}
    for name, each in spec.inputs:
        drawn = batch.get(full_name("spectrograms", name))
        by_name[name] = show_inputs(each, view(batch, name) | ({} if drawn is None else {"spectrograms": drawn}))
    return [
        {"parts": [list(each) for each in zip(by_name, shown, strict=True)]}
        for shown in zip(*by_name.values(), strict=True)
    ]


def is_picture(spec: Spec) -> bool:
    """Returns whether the inputs are pictures, gray or in colours."""
    return len(spec.input_shape) == 3 and spec.input_shape[-1] in (1, 3) and spec.preprocess.cast != "none"


def scaled_inputs(spec: Spec, inputs: np.ndarray) -> np.ndarray:
    """Returns stored inputs as numbers, those of pictures from 0 to 1; without JAX, which would compile for it."""
    numbers: np.ndarray = np.asarray(inputs, np.float32) * np.float32(spec.preprocess.scale)
    return numbers


def png(pixels: np.ndarray, most: int = _PIXELS) -> str:
    """Returns a picture as a PNG file in base64.

    Args:
        pixels: (height, width) or (height, width, channels), uint8, or floats from 0 for black to 1: gray, gray with
            opacity, or colours.
        most: of a larger picture, the size of its longer side after it is made smaller.
    """
    from PIL import Image

    if pixels.dtype != np.uint8:
        pixels = np.rint(np.clip(np.nan_to_num(pixels), 0, 1) * 255).astype(np.uint8)
    image = Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels)
    image.thumbnail((most, most))
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def _tokens(spec: Spec, ids: np.ndarray) -> Shown:
    assert spec.coding is not None
    names, shown = spec.coding.names, ids[:_MOST_TOKENS]
    if spec.coding.level == "character":  # a box for each would not be readable
        text = "".join(_UNKNOWN_SIGN if number == UNKNOWN else letter(names[int(number)]) for number in shown)
        return {"text": text + (" ..." if len(ids) > _MOST_TOKENS else "")}
    tokens = [names[int(number)] if int(number) < len(names) else str(int(number)) for number in shown]
    unknown = [place for place, number in enumerate(shown) if spec.coding.has_unknown and number == UNKNOWN]
    return {"tokens": tokens, "unknown": unknown, "more": max(0, len(ids) - _MOST_TOKENS)}


def _ids(spec: Spec, ids: np.ndarray) -> Shown:
    """Returns ids that no text's coding made: what they stand for where that is known, as text if it is characters."""
    names, shown = spec.id_names, [int(number) for number in ids[:_MOST_TOKENS]]
    tokens = [names[number] if 0 <= number < len(names) else str(number) for number in shown]
    if names and all(len(name) == 1 for name in names):
        return {"text": "".join(tokens) + (" ..." if len(ids) > _MOST_TOKENS else "")}
    return {"tokens": tokens, "unknown": [], "more": max(0, len(ids) - _MOST_TOKENS)}


def _sounds(spec: Spec, inputs: np.ndarray, ends: np.ndarray, spectrograms: np.ndarray | None) -> list[Shown]:
    if spectrograms is None or spec.preprocess.mel is None:
        drawn, name = wave_pictures(scaled_inputs(spec, inputs), ends.tolist()), "wave"
        known = np.ceil(ends * drawn.shape[2] / inputs.shape[1])
    else:
        frames = [int(spec.preprocess.mel.frames(int(end))) for end in ends]
        drawn, name = spectrogram_pictures(spectrograms, frames), "spectrogram"
        known = np.array(frames)
    opaque = np.arange(drawn.shape[2]) < known[:, None]  # what follows a sound is seen through, on dark pages as well
    drawn = np.concatenate([drawn, np.broadcast_to(opaque[:, None, :, None], drawn.shape)], -1)
    seconds = ends / spec.rate
    return [
        {"pictures": [[f"{name}, {length:.2f} s", png(each, 224)]]} for each, length in zip(drawn, seconds, strict=True)
    ]


def _row(spec: Spec, row: np.ndarray) -> list[list[str]]:
    """Returns the names and values of the columns of a row of a table, as the table had them."""
    shown, place = [], 0
    for column in spec.columns[:_MOST_COLUMNS]:
        values, missing = row[place : place + column.inputs], False
        place += column.inputs
        if column.missing:
            values, missing = values[:-1], bool(values[-1])
        if column.categories is None:
            text = f"{float(values[0]):.4g}"
        else:
            text = column.categories[int(values.argmax())] if values.any() else "another"
        shown.append([column.name, "missing" if missing or text == "nan" else text])
    return shown


def _curves(spec: Spec, steps: np.ndarray) -> list[list[Any]]:
    """Returns the name and the numbers of each of the first inputs of a sequence, one for each step."""
    rows = steps.reshape(len(steps), -1)[-_MOST_POINTS:]
    names: Sequence[str] = feature_names(spec) if spec.columns else ()
    names = names if len(names) == rows.shape[1] else [f"input {n + 1}" for n in range(rows.shape[1])]
    return [[name, [_rounded(value) for value in rows[:, n]]] for n, name in enumerate(names[:_MOST_CURVES])]


def _rounded(value: Any) -> float:
    return float(f"{float(value):.5g}")
