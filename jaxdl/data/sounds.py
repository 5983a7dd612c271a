"""Reads sound files: one function for all that use them, so that a model hears a sound as it was trained on it.

Needs the packages of the extra ``sound``: soundfile, and soxr where a sound has another rate than the model.
"""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from jaxdl.data.decoding import fill
from jaxdl.data.images import TooLarge, find_files
from jaxdl.data.spec import Spec
from jaxdl.errors import UserError, needed
from jaxdl.files.atomic import named_cause

EXTENSIONS = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".caf", ".w64", ".rf64"}
)
STORED = np.int16
_SAFE_BEGINNINGS = (b"RIFF", b"fLaC", b"OggS")
FULL_SCALE = 32768  # the number that stands for 1 in 16 bits, as in WAV files
_NOT_KNOWN = 0xFFFFFFF0  # sizes from here on say that the writer, such as a stream, did not know it


@dataclass(frozen=True)
class Header:
    """What the header of a sound file says.

    Attributes:
        rate: samples a second.
        channels: number of channels.
        samples: samples of each channel.
    """

    rate: int
    channels: int
    samples: int


def find_sounds(path: Path) -> list[Path]:
    """Lists the sound files to read, as `jaxdl.data.images.find_files` does."""
    return find_files(path, EXTENSIONS, "sound")


def read_header(path: Path) -> Header:
    """Returns what the header of a sound file says; nothing is decoded.

    Raises:
        UserError: as for `load_sound`, as far as the header tells.
    """
    with _opened(path) as file:
        return Header(file.samplerate, file.channels, file.frames)


def load_sound(path: Path, rate: int) -> np.ndarray:
    """Reads one sound file.

    WAV of any width (8 to 32 bits, floats, A-law, mu-law, ADPCM), FLAC, OGG and what else libsndfile reads. Channels
    are averaged. A sound of another rate is resampled by soxr at its quality HQ.

    Args:
        path: the file.
        rate: samples a second to bring it to.

    Returns:
        (samples,) float32; full scale is 1, and floats beyond it stay as they are.

    Raises:
        UserError: the file is missing, no sound, damaged or cut short; it has no sample, or one that is no finite
            number; or a package is not installed. The message names it.
    """
    with _opened(path) as file:
        return _wave(file, str(path), rate)


def sound_in(content: bytes, name: str, rate: int, most: int) -> np.ndarray:
    """Reads a sound that is not trusted, as `load_sound` reads a file.

    Args:
        content: of a WAV, FLAC or OGG file; what else libsndfile reads is refused.
        name: what it is called in messages.
        rate: samples a second to bring it to.
        most: numbers that are decoded, those of all channels.

    Returns:
        (samples,) float32; full scale is 1.

    Raises:
        TooLarge: it has more numbers.
        UserError: as for `load_sound`.
    """
    if content[:4] not in _SAFE_BEGINNINGS:
        raise UserError(f"{name} is no WAV, FLAC or OGG file.")
    problem = _cut_short(io.BytesIO(content))
    if problem:
        raise UserError(f"{name}: {problem}.")
    with _readable(io.BytesIO(content), name) as file:
        numbers = file.frames * file.channels
        # At a higher rate there are more of them; a header may say any rate.
        if numbers > most or numbers * rate > most * file.samplerate:
            raise TooLarge(f"{name} has {numbers:,} numbers at {file.samplerate:,} Hz; the limit is {most:,}.")
        return _wave(file, name, rate)


def _wave(file: Any, name: str, rate: int) -> np.ndarray:
    """Returns the samples of an opened sound at a rate, as `load_sound` does."""
    # As floats: libsndfile does not scale floats to whole numbers, so that these would be all 0.
    samples, expected = file.read(dtype="float32", always_2d=True), file.frames
    if len(samples) < expected:
        raise UserError(f"{name}: the sound is cut short: {len(samples):,} samples in the place of {expected:,}.")
    wave: np.ndarray = samples[:, 0] if samples.shape[1] == 1 else samples.mean(1)
    finite = np.isfinite(wave)
    if not finite.all():
        raise UserError(f"{name}: sample {int(np.argmin(finite)):,} is {wave[np.argmin(finite)]}, no finite number.")
    return resampled(wave, file.samplerate, rate)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Yields an opened `soundfile.SoundFile` with one sample or more; its errors become those of `load_sound`."""
    with named_cause(path, "read"), open(path, "rb") as content:
        problem = _cut_short(content)
    if problem:
        raise UserError(f"{path}: {problem}.")
    with _readable(str(path), str(path)) as file:
        yield file


@contextlib.contextmanager
def _readable(source: str | BinaryIO, name: str) -> Iterator[Any]:
    soundfile = library("soundfile")
    try:
        with soundfile.SoundFile(source) as file:
            if file.frames < 1 or file.samplerate < 1:
                raise UserError(f"{name}: the sound has {file.frames} samples at {file.samplerate} Hz.")
            yield file
    except soundfile.LibsndfileError as error:
        reason = str(getattr(error, "error_string", error)).strip().rstrip(".")
        raise UserError(
            f"{name}: this is no sound file that libsndfile can read, or it is damaged ({reason})."
        ) from error


def resampled(wave: np.ndarray, rate: int, to: int) -> np.ndarray:
    """Returns a sound, (samples,) float32, at another rate: by soxr at its quality HQ, with one sample or more.

    Raises:
        UserError: soxr is not installed.
    """
    if rate == to:
        return wave
    found: np.ndarray = library("soxr").resample(wave, rate, to, quality="HQ")
    return found if len(found) else wave[:1]


def quantized(wave: np.ndarray, scale: float) -> np.ndarray:
    """Returns a sound, (samples,) floats, as it is stored: int16, of which `scale` times the number is the sample.

    With a scale of 1/32768 the numbers of a WAV file of 16 bits are kept as they are.
    """
    numbers = np.rint(wave * np.float32(1 / scale))
    return np.clip(numbers, -FULL_SCALE, FULL_SCALE - 1).astype(STORED)


def packed(waves: Sequence[np.ndarray], samples: int, scale: float) -> dict[str, np.ndarray]:
    """Returns sounds in one array.

    Args:
        waves: (any number,) each: floats, or int16 as stored.
        samples: how many samples of each are kept at most.
        scale: see `quantized`.

    Returns:
        ``inputs`` (sounds, samples) int16, filled up with zeros, and ``lengths`` (sounds,) int32.
    """
    inputs, lengths = np.zeros((len(waves), samples), STORED), np.zeros(len(waves), np.int32)
    for row, wave in enumerate(waves):
        part = wave[:samples]
        inputs[row, : len(part)] = part if part.dtype == STORED else quantized(part, scale)
        lengths[row] = len(part)
    return {"inputs": inputs, "lengths": lengths}


def load_sounds(
    paths: Sequence[Path], spec: Spec, notify: Callable[[str], None] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Reads sound files as inputs of a model that was trained on data of the given spec.

    Each is read by `load_sound`, on as many threads as there are cores, and cut where those of the training were.

    Args:
        paths: the files.
        spec: describes the data of the training.
        notify: called with a line that says how many are cut, if some are.

    Returns:
        (sounds, *spec.input_shape) int16, and the number of valid samples of each, (sounds,) int32.

    Raises:
        UserError: as for `load_sound`, or the model does not read sounds.
    """
    if not spec.rate:
        raise UserError(f"sounds were given, but the inputs of this model have shape {spec.input_shape}.")
    (samples,), scale = spec.input_shape, spec.preprocess.scale
    waves: list[np.ndarray] = [np.empty(0)] * len(paths)

    def read(path: Path) -> np.ndarray:
        return quantized(load_sound(path, spec.rate), scale)

    fill(waves, paths, read, what="sounds")
    if notify is not None:
        say_cut(waves, spec, notify)
    arrays = packed(waves, samples, scale)
    return arrays["inputs"], arrays["lengths"]


def say_cut(waves: Sequence[np.ndarray], spec: Spec, notify: Callable[[str], None]) -> None:
    """Says how many sounds, (samples,) each, are longer than those that a model was trained on, if some are."""
    samples = spec.input_shape[0]
    cut = sum(len(wave) > samples for wave in waves)
    if cut:
        seconds = f"{samples / spec.rate:.4g} s"
        notify(f"{cut:,} of {len(waves):,} sounds are cut after {seconds}, as those of the training were.")


def library(name: str) -> ModuleType:
    """Returns a package of the extra ``sound``.

    Raises:
        UserError: it is not installed, or lacks its own library.
    """
    module: ModuleType = needed(name, "sound", "reading sounds")
    return module


def _cut_short(file: BinaryIO) -> str | None:
    """Returns what is wrong with the sizes of a RIFF file, which libsndfile passes over; None for other files."""
    start = file.read(12)
    if start[:4] not in (b"RIFF", b"RIFX") or start[8:] != b"WAVE":
        return None
    order = "<" if start[:4] == b"RIFF" else ">"
    end = file.seek(0, 2)
    position = 12
    while position + 8 <= end:
        file.seek(position)
        name, size = struct.unpack(f"{order}4sI", file.read(8))
        position += 8
        if name == b"data":
            there = end - position
            if not size and there:
                return f"its header says 0 bytes of sound, and {there:,} follow; the writer was not closed"
            if there < size < _NOT_KNOWN:
                return f"the sound is cut short: {there:,} bytes in the place of {size:,}"
            return None
        position += size + size % 2
    return None
