"""The set `spoken_digit`, read from its original archive: TFDS cannot describe sounds without TensorFlow."""

from __future__ import annotations

import io
import re
import tarfile
import wave
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jaxdl.data.tfds.features import Feature
from jaxdl.data.tfds.originals import order_of_tfds
from jaxdl.errors import UserError

NAME = "spoken_digit"
FEATURES: Mapping[str, Feature] = {
    "audio": Feature("audio", "Audio", (None,), "int64"),
    "audio/filename": Feature("audio/filename", "Text"),
    "label": Feature("label", "ClassLabel", classes=tuple("0123456789")),
}
SUPERVISED = (("audio",), ("label",))
_RECORDING = re.compile(r".*/recordings/((\d)_\w+_\d+)\.wav")


def spoken_digits(archive: Path) -> dict[str, list[object]]:
    """Returns all recordings, which are TFDS's split train, in TFDS's order.

    Args:
        archive: the original ``free-spoken-digit-dataset-1.0.9.tar.gz``.

    Returns:
        ``audio``: waveforms (samples,) int16, at 8,000 samples a second; ``label``: the digits; ``audio/filename``.

    Raises:
        UserError: the archive cannot be read, or holds no recordings.
    """
    keys, sounds = [], []
    try:
        with tarfile.open(archive) as members:
            for member in members:
                found = _RECORDING.fullmatch(member.name)
                content = members.extractfile(member) if found else None
                if found and content:
                    keys.append(found[1])
                    sounds.append(waveform(content.read())[0])
    except (tarfile.TarError, EOFError, OSError, ValueError, wave.Error) as problem:
        raise UserError(f"{archive} cannot be read ({problem}). Replace it with the original.") from problem
    if not keys:
        raise UserError(f"{archive} holds no recordings. Replace it with the original.")
    order = order_of_tfds(keys, "train")
    return {
        "audio": [sounds[row] for row in order],
        "audio/filename": [f"{keys[row]}.wav" for row in order],
        "label": [int(keys[row][0]) for row in order],
    }


def waveform(content: bytes) -> tuple[np.ndarray, int]:
    """Reads a WAV file of 16 bits and one channel.

    Returns:
        (samples,) int16, and the samples a second.

    Raises:
        ValueError: it is another kind of WAV file.
        wave.Error: it is no WAV file.
    """
    with wave.open(io.BytesIO(content)) as file:
        if (file.getnchannels(), file.getsampwidth()) != (1, 2):
            raise ValueError(f"a recording of {file.getnchannels()} channels of {8 * file.getsampwidth()} bits")
        count, rate = file.getnframes(), file.getframerate()
        samples = np.frombuffer(file.readframes(count), "<i2").astype(np.int16)
    if len(samples) != count:
        raise ValueError(f"a recording that is cut short, with {len(samples)} of {count} samples")
    return samples, rate
