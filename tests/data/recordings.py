"""Writes sound files, with the standard library, so that what reads them is not what wrote them."""

from __future__ import annotations

import struct
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np


def tone(seconds: float = 0.05, rate: int = 8000, hertz: float = 440, level: float = 0.5) -> np.ndarray:
    """Returns a sine, (samples,) float64."""
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def write_wav(path: Path, sound: np.ndarray, rate: int = 8000, width: int = 2) -> np.ndarray:
    """Writes a sound, (samples,) or (samples, channels) from -1 to 1, as PCM of `width` bytes; returns what it holds.

    Returns:
        The float64 numbers that the file stands for: whole numbers over their full scale.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    most = 2 ** (8 * width - 1)
    numbers = np.clip(np.rint(sound * most), -most, most - 1).astype(np.int64)
    samples = numbers.reshape(len(sound), -1)
    if width == 1:  # 8 bits are unsigned
        content = (samples + 128).astype(np.uint8).tobytes()
    else:
        content = samples.astype("<i8").view(np.uint8).reshape(*samples.shape, 8)[..., :width].tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(content)
    return numbers / most


def riff(
    path: Path, content: bytes, size: int | None = None, *, rate: int = 8000, kind: int = 1, bits: int = 16
) -> Path:
    """Writes a WAV file of one channel whose header says `size` bytes of sound, whatever follows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = len(content) if size is None else size
    form = struct.pack("<IHHIIHH", 16, kind, 1, rate, rate * bits // 8, bits // 8, bits)
    head = (
        b"RIFF" + struct.pack("<I", min(36 + size, 2**32 - 1)) + b"WAVEfmt " + form + b"data" + struct.pack("<I", size)
    )
    path.write_bytes(head + content)
    return path


def classes(root: Path, each: int = 10, rate: int = 8000) -> Path:
    """Writes tones of three heights into folders low, middle and high; each file differs from the others."""
    for name, hertz in (("low", 300), ("middle", 900), ("high", 2700)):
        for number in range(each):
            write_wav(
                root / name / f"{number}.wav", tone(0.04 + 0.002 * number, rate, hertz * (1 + number / 100)), rate
            )
    return root


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no sample": (lambda path: riff(path, b""), "has 0 samples"),
    "a header that says 0": (lambda path: riff(path, b"\1\2" * 50, 0), "header says 0 bytes of sound, and 100 follow"),
    "cut short": (lambda path: riff(path, b"\1\2" * 50, 200), "cut short: 100 bytes in the place of 200"),
    "NaN": (lambda path: riff(path, np.array([0, np.nan], "<f4").tobytes(), kind=3, bits=32), "sample 1 is nan"),
    "infinity": (lambda path: riff(path, np.array([np.inf, 0], "<f4").tobytes(), kind=3, bits=32), "sample 0 is inf"),
    "a text": (lambda path: path.write_text("no sound"), "no sound file that libsndfile can read"),
    "an empty file": (lambda path: path.write_bytes(b""), "no sound file that libsndfile can read"),
    "half a header": (lambda path: path.write_bytes(b"RIFF\0\0\0\0WAVEfmt "), "no sound file that libsndfile can read"),
    "a rate of 0": (lambda path: riff(path, b"\1\2" * 50, rate=0), "[Rr]ate|0 Hz|no sound file"),
}
"""Ways to write a file that cannot be used, and what the message says."""
