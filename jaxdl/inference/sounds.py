"""Sounds in memory as a model's inputs: waves of any number type and length, as those of train are stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxdl.data import Spec
from jaxdl.data.sounds import quantized, say_cut
from jaxdl.errors import UserError


def as_stored(inputs: Any, spec: Spec, name: str, notify: Callable[[str], None]) -> Any:
    """Returns sounds as the data of the training are stored, as far as that is a matter of numbers.

    Args:
        inputs: one array (sounds, samples), or a list of arrays (samples,), at the model's rate: floats with full scale
            1, as sound libraries read them, or int16 as stored. Those of a list are cut where those of train were.
        spec: describes the data of the training.
        name: what the inputs are called in messages.
        notify: called with a line that says how many are cut.

    Returns:
        Arrays of the same form; integers as they were, floats as int16.

    Raises:
        UserError: a sample is no finite number.
    """
    if not isinstance(inputs, list | tuple):
        return _numbers(np.asarray(inputs), spec, name)
    samples = spec.input_shape[0]
    sounds = [_numbers(np.asarray(sound), spec, f"{name}[{number}]") for number, sound in enumerate(inputs)]
    say_cut([sound for sound in sounds if sound.ndim == 1], spec, notify)
    return [sound[:samples] if sound.ndim == 1 else sound for sound in sounds]


def _numbers(sound: np.ndarray, spec: Spec, name: str) -> np.ndarray:
    if sound.dtype.kind != "f":
        return sound
    if not np.isfinite(sound).all():
        raise UserError(f"{name}: the sound has a sample that is NaN or infinite.")
    return quantized(sound, spec.preprocess.scale)
