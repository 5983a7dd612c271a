"""From an example as it is stored to what a model reads: declared by the data, computed inside every compiled step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import jax


@dataclass(frozen=True)
class Preprocess:
    """A pure function of stored inputs: ``(stored * scale - mean) / deviation``, or, for ids, the stored inputs.

    Training, evaluation and prediction all apply it on the device, inside the compiled step, so that inputs are copied
    there as they are stored, in one byte a pixel where they are bytes. Augmentation works between its two parts:
    on what `scaled` returns, which for images lies in [0, 1].

    Attributes:
        scale: factor of the stored numbers.
        mean: what is then subtracted, a number for each channel (the last axis), or one for all; empty for none.
        deviation: what is then divided by, likewise.
        cast: ``"float32"`` for numbers; ``"none"`` for ids, such as those of words, which stay integers as stored.

    Raises:
        ValueError: there are not as many means as deviations, a deviation is not above 0, or ids are to be scaled.
    """

    scale: float = 1.0
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    cast: Literal["float32", "none"] = "float32"

    def __post_init__(self) -> None:
        if self.cast not in ("float32", "none"):
            raise ValueError(f"cast={self.cast!r}: must be 'float32' or 'none'.")
        if len(self.mean) != len(self.deviation) or not all(value > 0 for value in self.deviation):
            raise ValueError(f"mean={self.mean} and deviation={self.deviation}: as many of each, deviations above 0.")
        if self.cast == "none" and (self.scale != 1 or self.mean):
            raise ValueError("ids (cast='none') cannot be scaled or shifted.")

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Preprocess:
        """Makes it from the JSON form of `dataclasses.asdict`, in which tuples have become lists."""
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
        return cls(**values)

    def __call__(self, stored: jax.Array) -> jax.Array:
        """Returns what the model reads of inputs (batch, ...) as stored: the same shape, in float32 or, for ids, as is.

        NumPy arrays may be given too, and then NumPy arrays come back.
        """
        return self.standardized(self.scaled(stored))

    def scaled(self, stored: jax.Array) -> jax.Array:
        """Returns ``stored * scale`` in float32, or ids as they are."""
        return stored if self.cast == "none" else stored.astype(self.cast) * self.scale

    def standardized(self, scaled: jax.Array) -> jax.Array:
        """Returns ``(scaled - mean) / deviation``, for what `scaled` returned."""
        if not self.mean:
            return scaled
        return (scaled - np.asarray(self.mean, np.float32)) / np.asarray(self.deviation, np.float32)

    def dtype(self, stored: str) -> str:
        """Returns the dtype of what the model reads, for inputs stored in the dtype `stored`."""
        return stored if self.cast == "none" else self.cast

    def stored(self, scaled: np.ndarray, dtype: str) -> np.ndarray:
        """Returns what is to be stored so that `scaled` gives the given numbers; rounded where `dtype` is of integers.

        Args:
            scaled: (...) float64, numbers in the range of `scaled`, such as those of an image in [0, 1].
            dtype: dtype of the inputs as stored.
        """
        values = scaled / self.scale
        return (np.rint(values) if np.dtype(dtype).kind in "iu" else values).astype(dtype)
