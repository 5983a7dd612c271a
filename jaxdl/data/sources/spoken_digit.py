"""The Free Spoken Digit Dataset, read from its original archive as tensorflow-datasets has it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from jaxdl.data.folders.sounds import about_cut, samples_for
from jaxdl.data.preprocess import Preprocess
from jaxdl.data.sounds import FULL_SCALE, packed, quantized, resampled
from jaxdl.data.source import Notify
from jaxdl.data.sources.sounds import OfSounds, check_longest
from jaxdl.data.sources.tfds import LIMITS, check_mirror
from jaxdl.data.sources.vowels import Vowels
from jaxdl.data.spec import Dataset, Spec, Split, examples, fingerprint
from jaxdl.data.splits import By
from jaxdl.data.stand_in import banner
from jaxdl.data.tfds.examples import obtained_examples
from jaxdl.data.tfds.obtain import Request, Unavailable
from jaxdl.data.tfds.sounds import NAME
from jaxdl.errors import UserError
from jaxdl.fields import above_zero, described, static

RATE = 8000
_RECORDING = re.compile(r"(?P<digit>\d)_(?P<speaker>\w+)_(?P<number>\d+)\.wav")
_TEST_NUMBERS = range(5)


@final
@described
@dataclasses.dataclass(frozen=True)
class SpokenDigit(OfSounds):
    """The digits 0 to 9, said by five speakers, 50 times each (Free Spoken Digit Dataset 1.0.9, CC BY-SA 4.0).

    Recordings 0 to 4 of each speaker and digit are the test split, as the set's authors say: 250 of the 2,500. Inputs
    are (examples, samples) int16 at 8,000 samples a second, filled up with zeros, with lengths; targets are (examples,)
    int32 digits. It is taken from the data folder, if it is prepared there, from the original archive in
    ``DATA_DIR/downloads/manual/`` or from the network. If it is not available, generated words of vowels stand in, if
    `fallback` allows it, with a banner.
    """

    rate: int | None = static(
        None, "samples a second to which recordings are brought; none: their own 8,000", check=above_zero
    )
    seconds: float | None = static(
        None,
        "what is kept of each recording at most, from its begin; none: a length that 95 of 100 of train do not exceed",
        check=check_longest,
    )
    fallback: Literal["embedded", "none"] = static(
        "embedded",
        "what to use when the set is not available: generated words of vowels, or nothing, which is an error",
    )
    mirror: str = static(
        "",
        "base URL to fetch the original archive from, instead of the URL that TFDS uses; its checksum is that of TFDS",
        check=check_mirror,
        affects=(),
    )

    @property
    def requested(self) -> str:
        return NAME

    def cut_by(self, spec: Spec) -> By:
        return "class"

    def spec(self, data_dir: Path) -> Spec:
        return self.read(data_dir, print).spec

    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        """Returns train and test.

        Raises:
            UserError: the set is not available, and nothing may stand in; or it is damaged.
        """
        try:
            recordings = obtained_examples(Request(NAME, data_dir, self.mirror, notify, LIMITS))["train"]
        except Unavailable as problem:
            return self._stand_in(problem, data_dir, notify)
        rate = self.rate or RATE
        sounds = [_at(rate, sound) for sound in recordings["audio"]]
        of_test = np.array([_is_of_test(name) for name in recordings["audio/filename"]])
        lengths = np.array([len(sound) for sound in sounds])
        samples = samples_for(lengths[~of_test], rate, self.seconds)
        notify(about_cut(lengths, rate, samples, self.seconds))
        labels = np.array(recordings["label"], np.int32)
        splits = {
            name: _split(sounds, labels, rows, samples) for name, rows in (("train", ~of_test), ("test", of_test))
        }
        names, preprocess = tuple("0123456789"), Preprocess(1 / FULL_SCALE)
        spec = Spec((samples,), "int16", preprocess, (), len(names), names, lengths=True, rate=rate)
        return Dataset(
            spec=self.heard(spec),
            splits=splits,
            requested=NAME,
            used=NAME,
            fingerprint=fingerprint(splits["train"], splits["test"]),
            train_examples=examples(splits["train"]),
        )

    def _stand_in(self, problem: Unavailable, data_dir: Path, notify: Notify) -> Dataset:
        if self.fallback == "none":
            reasons = "; ".join(problem.reasons)
            raise UserError(
                f"{NAME} is not available: {reasons}. Way out: {problem.way_out}, or use --data.fallback=embedded "
                "(generated words of vowels stand in)."
            ) from problem
        same = {field.name: getattr(self, field.name) for field in dataclasses.fields(OfSounds)}
        stand_in = Vowels(**same)
        used = f"vowels ({stand_in.train_examples:,} generated words of two vowels to train on, no recordings)"
        way_out = [problem.way_out, "--data.fallback=none makes this an error"]
        notify(banner(NAME, [used], problem.reasons, way_out))
        return dataclasses.replace(stand_in.read(data_dir, notify), requested=NAME)


def _at(rate: int, sound: np.ndarray) -> np.ndarray:
    """Returns a recording, (samples,) int16 or another integer type, as int16 at the given rate."""
    if rate == RATE and sound.dtype == np.int16:
        return sound
    return quantized(resampled(sound.astype(np.float32) / FULL_SCALE, RATE, rate), 1 / FULL_SCALE)


def _is_of_test(name: Any) -> bool:
    found = _RECORDING.fullmatch(str(name))
    if found is None:
        raise UserError(f"{NAME}: {name!r} is no name of a recording, such as 7_jackson_32.wav.")
    return int(found["number"]) in _TEST_NUMBERS


def _split(sounds: Sequence[np.ndarray], labels: np.ndarray, rows: np.ndarray, samples: int) -> Split:
    chosen: Mapping[str, np.ndarray] = packed(
        [sounds[row] for row in np.flatnonzero(rows).tolist()], samples, 1 / FULL_SCALE
    )
    return {**chosen, "targets": labels[rows]}
