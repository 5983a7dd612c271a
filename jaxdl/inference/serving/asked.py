"""What a request asks for: its body becomes examples of the model, as `TrainedModel.checked` returns them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson

from jaxdl.data import Spec
from jaxdl.data.images import MODES, TooLarge, stored_picture
from jaxdl.data.sounds import packed, quantized, say_cut, sound_in
from jaxdl.errors import UserError, did_you_mean
from jaxdl.inference.predictor import TrainedModel
from jaxdl.inference.serving.limits import Limits, Refused

JSON, TEXT = "application/json", "text/plain"
PICTURES = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp")
SOUNDS = ("audio/wav", "audio/x-wav", "audio/wave", "audio/flac", "audio/x-flac", "audio/ogg")
_KEYS = ("inputs", "lengths", "top_k")


class Asked(NamedTuple):
    """A request.

    Attributes:
        batch: its examples.
        top_k: how many classes of each to answer; 0: all.
        notes: what is to be said of the examples.
    """

    batch: dict[str, np.ndarray]
    top_k: int
    notes: list[str]


def media_types(spec: Spec) -> tuple[str, ...]:
    """Returns the types of content that a model takes, the first one first."""
    if spec.inputs:
        return (JSON,)
    if spec.rate:
        return (JSON, *SOUNDS)
    if spec.coding is not None or spec.trees is not None:
        return (JSON, TEXT)
    if takes_pictures(spec):
        return (JSON, *PICTURES)
    return (JSON,)


def takes_pictures(spec: Spec) -> bool:
    """Returns whether the examples of a model are pictures, whose black and white are known."""
    return len(spec.input_shape) == 3 and spec.input_shape[2] in MODES and 0 < spec.preprocess.scale < 1


def read_request(media_type: str, body: bytes, model: TrainedModel, limits: Limits) -> Asked:
    """Returns what a request asks for.

    Args:
        media_type: of the body, without parameters, in lower case.
        body: of the request.
        model: which predicts.
        limits: how much may be decoded.

    Raises:
        Refused: it is malformed, of another type, too large once decoded, or does not fit the model.
    """
    spec, notes = model.spec, list[str]()
    if media_type not in media_types(spec):
        taken = " or ".join(media_types(spec))
        raise Refused(415, f"the content is {media_type or 'of no stated type'}; send {taken}.")
    if not body:
        raise Refused(400, "the request has no body.")
    inputs: Any
    lengths: Any = None
    top_k = 0
    try:
        if media_type in PICTURES:
            inputs = stored_picture(body, spec, limits.decoded)[None]
        elif media_type in SOUNDS:
            wave = quantized(sound_in(body, "the sound", spec.rate, limits.decoded), spec.preprocess.scale)
            say_cut([wave], spec, notes.append)
            arrays = packed([wave], spec.input_shape[0], spec.preprocess.scale)
            inputs, lengths = arrays["inputs"], arrays["lengths"]
        elif media_type == TEXT:
            inputs = [_text(body)]
        else:
            inputs, lengths, top_k = _of_json(body, spec)
        return Asked(model.checked(inputs, lengths, notes.append), top_k, notes)
    except TooLarge as problem:
        raise Refused(413, str(problem)) from None
    except UserError as problem:
        raise Refused(400, str(problem)) from None


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as problem:
        raise Refused(400, f"the text is not encoded in UTF-8 ({problem}).") from None


def _of_json(body: bytes, spec: Spec) -> tuple[Any, Any, int]:
    """Returns inputs, lengths and how many classes to answer."""
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as problem:
        raise Refused(400, f"the body is no JSON: {problem}.") from None
    if not isinstance(given, dict) or "inputs" not in given:
        raise Refused(400, 'the body must be an object with the key "inputs", such as {"inputs": [...]}.')
    for key in given:
        if key not in _KEYS:
            raise Refused(400, f"{key!r} is not known.{did_you_mean(key, _KEYS)} The keys are {', '.join(_KEYS)}.")
    top_k, inputs, lengths = given.get("top_k", 0), given["inputs"], given.get("lengths")
    if not isinstance(top_k, int) or isinstance(top_k, bool) or top_k < 0:
        raise Refused(400, "top_k must be a whole number from 0.")
    if not spec.inputs:
        return _values(inputs, lengths, spec, "inputs"), _lengths(lengths), top_k
    if not isinstance(inputs, dict) or not isinstance(lengths or {}, dict):
        names = ", ".join(name for name, _ in spec.inputs)
        raise Refused(400, f"inputs and lengths must be objects with the names of the inputs: {names}.")
    by_name = dict(spec.inputs)
    own = lengths or {}
    found = {
        name: _values(value, own.get(name), by_name[name], f"inputs[{name!r}]") if name in by_name else value
        for name, value in inputs.items()
    }
    return found, {name: _lengths(value) for name, value in own.items()} or None, top_k


def _lengths(given: Any) -> Any:
    try:
        return None if given is None else np.asarray(given)
    except (ValueError, TypeError, OverflowError):
        raise Refused(400, "lengths must be a list of whole numbers, one for each example.") from None


def _values(given: Any, lengths: Any, spec: Spec, name: str) -> Any:
    """Returns the inputs of JSON as `TrainedModel.predict` takes them."""
    if spec.columns and not _are_numbers(given):
        return _columns(given, spec, name)
    if not isinstance(given, list):
        raise Refused(400, f"{name} must be a list with an entry for each example.")
    if given and all(isinstance(each, str) for each in given):
        return given
    try:
        if (spec.lengths or spec.rate) and lengths is None:
            return [_numbers(example, spec) for example in given]
        array = _numbers(given, spec)
    except (ValueError, TypeError, OverflowError):
        raise Refused(400, f"{name} must have examples of one shape, {_shape(spec)}.") from None
    # An example may be written as one flat list of numbers, or without an axis of one channel.
    flat = array.ndim and array.shape[1:] != spec.input_shape and not spec.lengths
    if flat and array.size == len(array) * math.prod(spec.input_shape):
        return array.reshape(len(array), *spec.input_shape)
    return array


def _are_numbers(given: Any) -> bool:
    """Returns whether the rows of a table are given as the numbers that a model reads, without names."""
    return isinstance(given, list) and not any(isinstance(row, dict) for row in given)


def _numbers(given: Any, spec: Spec) -> np.ndarray:
    """Returns an array; JSON has one kind of number, so that 1 may stand for 1.0."""
    array = np.asarray(given)
    if not array.size:
        return array.astype(spec.input_dtype)
    if array.dtype.kind in "iu" and (np.dtype(spec.input_dtype).kind == "f" or spec.rate):
        # The numbers of a sound are whole only as stored, between the least and the greatest of 16 bits.
        as_stored = spec.rate and np.abs(array).max() > 1
        return array if as_stored else array.astype(np.float32)
    return array


def _columns(given: Any, spec: Spec, name: str) -> Mapping[str, Sequence[Any]]:
    """Returns a table by its columns: of such an object, or of a list of rows, each an object."""
    if isinstance(given, dict):
        return given
    if not isinstance(given, list) or not all(isinstance(row, dict) for row in given):
        raise Refused(400, f"{name} must be a list of rows, each an object of values by the names of the columns.")
    # In the order in which they come; what no row has is missing of all.
    names = dict.fromkeys(key for row in given for key in row)
    if not given:
        names = dict.fromkeys(column.name for column in spec.columns)
    return {each: [row.get(each) for row in given] for each in names}


def _shape(spec: Spec) -> str:
    return f"({', '.join(map(str, spec.input_shape))})"
