"""The log-mel spectrogram as a part of preprocessing: declared by the data, computed inside every compiled step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import jax


@dataclass(frozen=True)
class LogMel:
    """Makes log-mel spectrograms, (batch, frames, bands), of sounds, (batch, samples); see `jaxdl.ops.mel.log_mel`.

    Attributes:
        rate: samples a second of the sounds.
        window: samples of the Hann window, at most `transform`.
        hop: samples from one frame to the next.
        transform: size of the Fourier transform.
        bands: number of mel bands.
        low, high: ends of the bands in Hz, at most half of the rate.
        floor: smallest power, of which the logarithm is taken.

    Raises:
        ValueError: a number is out of its range, or the bands are so narrow that one has no frequency.
    """

    rate: int
    window: int
    hop: int
    transform: int
    bands: int
    low: float = 0.0
    high: float = 0.0
    floor: float = 1e-10

    def __post_init__(self) -> None:
        if not self.high:
            object.__setattr__(self, "high", self.rate / 2)
        if not (1 <= self.window <= self.transform and self.hop >= 1 and self.bands >= 1 and self.floor > 0):
            raise ValueError(f"{self}: sizes are at least 1, the window at most the transform, the floor above 0.")
        if not 0 <= self.low < self.high <= self.rate / 2:
            raise ValueError(f"{self}: bands lie between 0 and half of the rate.")

    @classmethod
    def of_seconds(cls, rate: int, window: float, hop: float, bands: int) -> LogMel:
        """Returns it for a window and a hop in seconds; the transform is the next power of two of samples."""
        samples = max(1, round(window * rate))
        return cls(rate, samples, max(1, round(hop * rate)), 1 << (samples - 1).bit_length(), bands)

    def __call__(self, waves: jax.Array, lengths: jax.Array | None) -> jax.Array:
        """Returns the spectrograms, (batch, frames, bands) float32; see `jaxdl.ops.mel.log_mel`."""
        from jaxdl.ops.mel import log_mel  # here, since it imports JAX

        return log_mel(
            waves,
            lengths,
            rate=self.rate,
            window=self.window,
            hop=self.hop,
            transform=self.transform,
            bands=self.bands,
            low=self.low,
            high=self.high,
            floor=self.floor,
        )

    def frames(self, lengths: Any) -> Any:
        """Returns the frames of sounds of so many samples: ``1 + samples // hop``, and none of no sample."""
        return (1 + lengths // self.hop) * (lengths > 0)

    def empty_bands(self) -> int:
        """Returns the number of bands that are so narrow that no frequency of the transform lies in them."""
        from jaxdl.ops.mel import mel_bank

        bank = mel_bank(self.rate, self.transform, self.bands, self.low, self.high)
        return int(np.sum(~bank.any(0)))
