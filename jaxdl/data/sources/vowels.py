"""Generated sounds: made-up words of two vowels, said by many voices at many speeds and levels."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import final

import numpy as np

from jaxdl.data.preprocess import Preprocess
from jaxdl.data.sounds import FULL_SCALE, packed, quantized
from jaxdl.data.source import Notify
from jaxdl.data.sources.sounds import OfSounds
from jaxdl.data.spec import Dataset, Spec, Split, fingerprint
from jaxdl.fields import at_least, described, static

_TRAIN_SEED, _TEST_SEED = 1, 2
RATE, SECONDS = 8000, (0.25, 0.6)
# The first three formants in Hz, the means of men in Peterson and Barney 1952, Control methods used in a study of the
# vowels, table II: heed, head, hod, hawed and who'd.
VOWELS = {
    "i": (270, 2290, 3010),
    "e": (530, 1840, 2480),
    "a": (730, 1090, 2440),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
}
# Each pair in both orders: a word is not known by what occurs in it alone.
WORDS = ("ia", "ai", "ua", "au", "iu", "ui", "ea", "ae", "eo", "oe")
_LEVELS = (1.0, 0.5, 0.25)  # of the three formants
_VOICES, _LOUDNESS, _NOISE_DB = (0.85, 1.15), (0.02, 0.3), (10, 30)


@final
@described
@dataclasses.dataclass(frozen=True)
class Vowels(OfSounds):
    """Generated words of two vowels, in ten classes: ia and ai, ua and au, and so on.

    Each is sine-wave speech (Remez et al. 1981, Speech perception without traditional speech cues): three sines that
    glide from the formants of one vowel to those of the other. Voices, which scale the formants, durations, levels and
    the noise are random. Inputs are (examples, samples) int16 at 8,000 samples a second, with lengths; targets are
    (examples,) int32. Train and test come from two fixed streams of random numbers and do not depend on an experiment's
    seed.
    """

    train_examples: int = static(1000, "words to train and validate on", check=at_least(10))
    test_examples: int = static(250, "words to test on", check=at_least(1))

    @property
    def requested(self) -> str:
        return "vowels"

    def spec(self, data_dir: Path) -> Spec:
        samples, scale = round(SECONDS[1] * RATE), Preprocess(1 / FULL_SCALE)
        return self.heard(Spec((samples,), "int16", scale, (), len(WORDS), WORDS, lengths=True, rate=RATE))

    def known_examples(self, data_dir: Path) -> int:
        return self.train_examples + self.test_examples

    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        train = _generated(self.train_examples, _TRAIN_SEED)
        test = _generated(self.test_examples, _TEST_SEED)
        return Dataset(
            spec=self.spec(data_dir),
            splits={"train": train, "test": test},
            requested=self.requested,
            used="vowels",
            fingerprint=fingerprint(train, test),
            train_examples=self.train_examples,
        )


def _generated(count: int, seed: int) -> Split:
    random = np.random.RandomState(seed)  # its stream is the same in all versions of NumPy
    labels = random.permutation(count) % len(WORDS)
    said = [quantized(_word(WORDS[label], random), 1 / FULL_SCALE) for label in labels]
    return {**packed(said, round(SECONDS[1] * RATE), 1 / FULL_SCALE), "targets": labels.astype(np.int32)}


def _word(vowels: str, random: np.random.RandomState) -> np.ndarray:
    """Returns a word as one voice says it once, (samples,) float64."""
    samples = round(random.uniform(*SECONDS) * RATE)
    voice, loudness = random.uniform(*_VOICES), np.exp(random.uniform(*np.log(_LOUDNESS)))
    turn = random.uniform(0.35, 0.65)  # when the second vowel begins, as a share of the word
    time = np.arange(samples) / samples
    share = np.clip((time - turn) / 0.3 + 0.5, 0, 1)[:, None]
    first, second = (np.array(VOWELS[vowel]) * voice for vowel in vowels)
    phases = 2 * np.pi * np.cumsum(first + share * (second - first), 0) / RATE + random.uniform(0, 2 * np.pi, 3)
    said = (np.sin(phases) @ np.array(_LEVELS)) * np.sqrt(np.sin(np.pi * np.clip(time, 0, 1)))
    noise = 10 ** (-random.uniform(*_NOISE_DB) / 20) * random.normal(size=samples)
    word: np.ndarray = loudness * (said + noise)
    return word
