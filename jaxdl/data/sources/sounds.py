"""What sources of sounds have in common: how a model hears them, as a log-mel spectrogram or as samples."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

import numpy as np

from jaxdl.data.log_mel import LogMel
from jaxdl.data.preprocess import Preprocess
from jaxdl.data.source import Data, Notify
from jaxdl.data.spec import Dataset, Spec, Split
from jaxdl.errors import UserError
from jaxdl.fields import at_least, described, static

if TYPE_CHECKING:
    import jax

_PART = 256  # sounds whose spectrograms are in memory at once


def check_seconds(value: float) -> str | None:
    """Returns what is wrong with a length in seconds; None if nothing is."""
    return None if 0 < value <= 86_400 else "must be above 0 and at most 86400, a day"


def check_longest(value: float | None) -> str | None:
    """Returns what is wrong with the length of the longest sound in seconds, or none; None if nothing is."""
    return None if value is None else check_seconds(value)


@described
@dataclasses.dataclass(frozen=True, kw_only=True)
class OfSounds(Data):
    """A source of sounds, (examples, samples) int16 with lengths in samples, wherever these come from."""

    representation: Literal["mel", "raw"] = static(
        "mel",
        "what a model reads: mel: log-mel spectrograms (time, bands), computed inside the compiled step; raw: the "
        "samples (time,)",
    )
    bands: int = static(64, "bands of the mel spectrogram, from 0 Hz to half of the rate", check=at_least(1))
    window: float = static(0.025, "seconds of sound in a frame of the spectrogram", check=check_seconds)
    hop: float = static(0.01, "seconds from one frame of the spectrogram to the next", check=check_seconds)
    normalize: bool = static(
        True,
        "whether each band, or the samples, are standardised by the mean and deviation of train, inside the compiled "
        "step",
    )

    def heard(self, spec: Spec) -> Spec:
        """Returns a spec of stored sounds with the preprocessing of the fields, still without the statistics of train.

        Raises:
            UserError: bands are too many for the window, or there is no sample in a frame.
        """
        if self.representation == "raw":
            return spec
        if self.hop * spec.rate < 1 or self.window * spec.rate < 2:
            raise UserError(
                f"data.window={self.window} and data.hop={self.hop}: at {spec.rate:,} Hz a frame has "
                f"{self.window * spec.rate:.3g} samples, and the next one begins after {self.hop * spec.rate:.3g}; "
                "give more seconds."
            )
        mel = LogMel.of_seconds(spec.rate, self.window, self.hop, self.bands)
        if mel.empty_bands():
            raise UserError(
                f"data.bands={self.bands}: {mel.empty_bands()} of them are narrower than what {mel.transform} samples "
                f"at {spec.rate:,} Hz can tell apart, and hear nothing; give fewer bands or a longer data.window."
            )
        return dataclasses.replace(spec, preprocess=Preprocess(spec.preprocess.scale, mel=mel))

    def fitted(self, dataset: Dataset, notify: Notify) -> Dataset:
        if not self.normalize:
            return dataset
        old = dataset.spec.preprocess
        mean, deviation = heard_statistics(dataset.splits["train"], old)
        preprocess = dataclasses.replace(old, mean=mean, deviation=deviation)
        return dataclasses.replace(dataset, spec=dataclasses.replace(dataset.spec, preprocess=preprocess))


def heard_statistics(train: Split, preprocess: Preprocess) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns the mean and the standard deviation of what a model hears of valid steps: of each band, or of samples.

    Args:
        train: ``inputs`` (sounds, samples) and ``lengths`` (sounds,).
        preprocess: the preprocessing, of which mean and deviation are not used.
    """
    import jax

    @jax.jit
    def heard(inputs: jax.Array, lengths: jax.Array) -> jax.Array:
        return preprocess.transformed(preprocess.scaled(inputs), lengths)

    size = min(_PART, len(train["inputs"]))
    total, squares, count = np.zeros(1), np.zeros(1), 0
    for first in range(0, len(train["inputs"]), size):
        rows, lengths = (train[name][first : first + size] for name in ("inputs", "lengths"))
        missing = size - len(rows)  # filled up with sounds of no sample, so that all parts have one shape
        lengths = np.pad(lengths, (0, missing))
        values = np.asarray(heard(np.pad(rows, ((0, missing), (0, 0))), lengths), np.float64)
        steps = lengths if preprocess.mel is None else preprocess.mel.frames(lengths)
        known = values[np.arange(values.shape[1]) < steps[:, None]].reshape(int(steps.sum()), -1)
        total, squares, count = total + known.sum(0), squares + np.square(known).sum(0), count + len(known)
    mean = total / max(1, count)
    deviation = np.sqrt(np.maximum(0, squares / max(1, count) - mean**2))
    deviation = np.where(deviation <= 1e-6 * np.maximum(1e-30, np.abs(mean)), 1.0, deviation)  # of a constant
    return tuple(map(float, mean)), tuple(map(float, deviation))
