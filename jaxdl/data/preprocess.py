"""Preprocessing from stored examples to a model's inputs: declared by the data, computed inside every compiled step."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from jaxdl.data.log_mel import LogMel

if TYPE_CHECKING:
    import jax


@dataclass(frozen=True)
class Preprocess:
    """A pure function of stored inputs: ``(stored * scale - mean) / deviation``, or, for ids, the stored inputs.

    Sounds, (batch, samples), may become log-mel spectrograms, (batch, frames, bands), after they are scaled.

    Training, evaluation and prediction all apply it on the device, inside the compiled step, so that inputs are copied
    there as they are stored, such as one byte for each pixel. Augmentation works between its two parts: on the result
    of `scaled`, which for images lies in [0, 1].

    Attributes:
        scale: factor for the stored numbers.
        mean: subtracted after scaling; a number for each channel (the last axis), or one for all; empty for none.
        deviation: divisor after that, with as many numbers.
        cast: ``"float32"`` for numbers; ``"none"`` for ids, such as those of words, which stay integers as stored.
        fill: whether NaN stands for a missing number; it becomes 0 at the end, which is the mean.
        mel: makes spectrograms of scaled sounds, which mean and deviation then standardise; None: nothing does.

    Raises:
        ValueError: the numbers of means and deviations differ, a deviation is not above 0, or ids would be scaled.
    """

    scale: float = 1.0
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    cast: Literal["float32", "none"] = "float32"
    fill: bool = False
    mel: LogMel | None = None

    def __post_init__(self) -> None:
        if self.cast not in ("float32", "none"):
            raise ValueError(f"cast={self.cast!r}: must be 'float32' or 'none'.")
        if len(self.mean) != len(self.deviation) or not all(value > 0 for value in self.deviation):
            raise ValueError(f"mean={self.mean} and deviation={self.deviation}: as many of each, deviations above 0.")
        if self.cast == "none" and (self.scale != 1 or self.mean or self.fill or self.mel):
            raise ValueError("ids (cast='none') cannot be scaled, shifted or missing.")

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Preprocess:
        """Rebuilds it from the JSON form of `dataclasses.asdict`, in which tuples have become lists."""
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
        if values.get("mel") is not None:
            values["mel"] = LogMel(**values["mel"])
        return cls(**values)

    def __call__(self, stored: jax.Array, lengths: jax.Array | None = None) -> jax.Array:
        """Returns the model's inputs for stored inputs (batch, ...): the same shape, in float32 or, for ids, unchanged.

        For NumPy arrays it returns NumPy arrays, except for spectrograms.

        Args:
            stored: (batch, ...) inputs.
            lengths: (batch,) valid steps of each, which only spectrograms need.
        """
        return self.standardized(self.transformed(self.scaled(stored), lengths))

    def of_batch(self, batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """Returns a batch as a model takes it: with preprocessed ``inputs``, and ``lengths`` in steps of these."""
        return self.finished({**batch, "inputs": self.scaled(batch["inputs"])})

    def finished(self, batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """Returns a batch whose ``inputs`` are scaled as `of_batch` returns it."""
        lengths = batch.get("lengths")
        found = {**batch, "inputs": self.standardized(self.transformed(batch["inputs"], lengths))}
        if self.mel is not None and lengths is not None:
            found["lengths"] = self.mel.frames(lengths)
        return found

    def shape(self, stored: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the shape of one example for a model, for that of one as stored."""
        return stored if self.mel is None else (self.mel.frames(stored[0]), self.mel.bands)

    def scaled(self, stored: jax.Array) -> jax.Array:
        """Returns ``stored * scale`` in float32, or ids unchanged."""
        return stored if self.cast == "none" else stored.astype(self.cast) * self.scale

    def transformed(self, scaled: jax.Array, lengths: jax.Array | None = None) -> jax.Array:
        """Returns the spectrograms of scaled sounds with `mel`, and otherwise what is given."""
        return scaled if self.mel is None else self.mel(scaled, lengths)

    def standardized(self, scaled: jax.Array) -> jax.Array:
        """Returns ``(scaled - mean) / deviation`` for the result of `scaled`, and with `fill` 0 in the place of NaN."""
        if self.mean:
            mean, deviation = self._statistics()
            scaled = (scaled - mean) / deviation
        if not self.fill:
            return scaled
        import jax.numpy as jnp

        array = np if isinstance(scaled, np.ndarray) else jnp
        filled: jax.Array = array.where(array.isnan(scaled), 0, scaled)
        return filled

    def restored(self, standardized: jax.Array) -> jax.Array:
        """Returns the numbers for which `standardized` returns the given ones."""
        if not self.mean:
            return standardized
        mean, deviation = self._statistics()
        restored: jax.Array = standardized * deviation + mean
        return restored

    def _statistics(self) -> tuple[Any, Any]:
        return np.asarray(self.mean, np.float32), np.asarray(self.deviation, np.float32)

    def standardization(self) -> Preprocess:
        """Returns its last part alone, which subtracts the mean and divides by the deviation."""
        return Preprocess(mean=self.mean, deviation=self.deviation)

    def given(self, mean: Any, deviation: Any) -> Preprocess:
        """Returns the same with a mean and a deviation that are arrays, also traced ones, of the same sizes."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(Preprocess)}
        return _Given(**fields, arrays=(mean, deviation))

    def dtype(self, stored: str) -> str:
        """Returns the dtype of the model's inputs, for inputs stored in the dtype `stored`."""
        return stored if self.cast == "none" else self.cast

    def stored(self, scaled: np.ndarray, dtype: str) -> np.ndarray:
        """Returns the stored numbers for which `scaled` returns the given ones; rounded if `dtype` is an integer type.

        Args:
            scaled: (...) float64, numbers in the range of `scaled`, such as those of an image in [0, 1].
            dtype: dtype of the inputs as stored.
        """
        values = scaled / self.scale
        return (np.rint(values) if np.dtype(dtype).kind in "iu" else values).astype(dtype)


@dataclass(frozen=True)
class _Given(Preprocess):
    """A `Preprocess` whose mean and deviation are arguments of the compiled program."""

    arrays: tuple[Any, Any] = (None, None)

    def _statistics(self) -> tuple[Any, Any]:
        return self.arrays

    def standardization(self) -> Preprocess:
        return super().standardization().given(*self.arrays)
