"""Random changes of training sounds, drawn in every step inside the compiled program.

Shifts and noise act on the samples, before the spectrogram; masks on the spectrogram, after it is standardised.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from jaxdl.data.preprocess import Preprocess
from jaxdl.data.spec import Spec
from jaxdl.errors import UserError
from jaxdl.fields import at_least, described, enabled, fraction, show, static, traced

_MASKS = ("time_mask", "frequency_mask")


@described
@dataclasses.dataclass(frozen=True)
class AudioAugmentation:
    """Random changes of each training sound; none by default. They are made in the order of the fields.

    The masks are those of SpecAugment (Park et al. 2019, arXiv:1904.08779), without its time warp, which its authors
    found to matter least. What is masked has the mean of train, or, where the data are not standardised, the sound's
    own mean.
    """

    shift: float = traced(
        0.0,
        "move a training sound in time by up to this share of its length, earlier or later; what leaves it is lost, "
        "what comes in is silence, and its length stays",
        optional=True,
        check=fraction,
    )
    noise: float = traced(
        0.0,
        "add white noise to a training sound, whose root mean square is a share of the sound's own that is drawn from "
        "[0, noise]: a signal-to-noise ratio of at least -20 log10(noise) dB, which for 0.1 is 20 dB",
        optional=True,
        check=at_least(0),
    )
    time_mask: int = traced(
        0, "mask up to this many frames of a training spectrogram, one after another", optional=True, check=at_least(0)
    )
    time_masks: int = static(1, "how many such masks there are; they may overlap", check=at_least(1))
    frequency_mask: int = traced(
        0, "mask up to this many neighbouring bands of a training spectrogram", optional=True, check=at_least(0)
    )
    frequency_masks: int = static(1, "how many such masks there are; they may overlap", check=at_least(1))

    def check(self, spec: Spec) -> None:
        """Checks that the fields can be applied to examples of this kind.

        Raises:
            UserError: a field is set and the inputs are no sounds, or no spectrograms, or it would mask all bands.
        """
        for field in dataclasses.fields(self):
            name, value = field.name, getattr(self, field.name)
            if not enabled(value) or name.endswith("masks"):
                continue
            if not spec.rate:
                raise UserError(
                    f"augmentation.{name}={show(value)}: needs sounds, such as those of audio:PATH; an example of "
                    f"these data has shape {spec.input_shape}."
                )
            if name in _MASKS and spec.preprocess.mel is None:
                raise UserError(f"augmentation.{name}={show(value)}: masks are for data.representation=mel.")
        if spec.preprocess.mel is not None and self.frequency_mask >= spec.preprocess.mel.bands:
            raise UserError(
                f"augmentation.frequency_mask={self.frequency_mask}: must be below the number of bands, "
                f"{spec.preprocess.mel.bands}."
            )

    def apply(self, batch: Mapping[str, jax.Array], preprocess: Preprocess, key: jax.Array) -> dict[str, jax.Array]:
        """Returns the batch with its inputs preprocessed and changed at random.

        Args:
            batch: ``inputs`` (batch, samples) as stored, of a spec that `check` accepts, and, where the data have them,
                ``lengths`` (batch,); other arrays are returned unchanged.
            preprocess: the preprocessing of the data.
            key: random key.

        Returns:
            ``inputs`` (batch, frames, bands), or samples, in float32, ``lengths`` in steps of these, and the other
            arrays of `batch`.
        """
        if not any(enabled(value) for value in (self.shift, self.noise, self.time_mask, self.frequency_mask)):
            return preprocess.of_batch(batch)
        key_of = functools.partial(jax.random.fold_in, key)
        waves = preprocess.scaled(batch["inputs"])
        count, samples = waves.shape
        lengths = batch.get("lengths", jnp.full((count,), samples, jnp.int32))
        if enabled(self.shift):
            share = self.shift * jax.random.uniform(key_of(0), (count,), jnp.float32, -1, 1)
            waves = moved(waves, lengths, jnp.round(share * lengths).astype(jnp.int32))
        if enabled(self.noise):
            share = self.noise * jax.random.uniform(key_of(1), (count,), jnp.float32)
            waves = with_noise(waves, lengths, share, jax.random.normal(key_of(2), waves.shape, jnp.float32))
        found = preprocess.finished({**batch, "inputs": waves})
        if enabled(self.time_mask) or enabled(self.frequency_mask):
            steps = found.get("lengths", jnp.full((count,), found["inputs"].shape[1], jnp.int32))
            hidden = jnp.zeros(found["inputs"].shape, bool)
            if enabled(self.time_mask):
                spans = drawn_spans(key_of(3), self.time_mask, steps, self.time_masks, hidden.shape[1])
                hidden |= spans[:, :, None]
            if enabled(self.frequency_mask):
                bands = jnp.full((count,), hidden.shape[2], jnp.int32)
                spans = drawn_spans(key_of(4), self.frequency_mask, bands, self.frequency_masks, hidden.shape[2])
                hidden |= spans[:, None, :]
            mean = 0.0 if preprocess.mean else _mean_of_valid(found["inputs"], steps)
            found["inputs"] = jnp.where(hidden, mean, found["inputs"])
        return found


def moved(waves: jax.Array, lengths: jax.Array, moves: jax.Array) -> jax.Array:
    """Returns sounds that begin later, or earlier, by whole samples, with zeros for what comes in.

    Args:
        waves: (batch, samples).
        lengths: (batch,) integers, valid samples of each; what is moved beyond them is lost.
        moves: (batch,) int32, how many samples later each begins; below 0 for earlier. At most `samples`.

    Returns:
        The shape and dtype of `waves`; samples past the lengths are 0.
    """
    samples = waves.shape[1]
    valid = jnp.arange(samples) < lengths[:, None]
    padded = jnp.pad(jnp.where(valid, waves, 0), ((0, 0), (samples, samples)))

    def slice_of(wave: jax.Array, move: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice(wave, (samples - move,), (samples,))

    return jnp.where(valid, jax.vmap(slice_of)(padded, moves), 0)


def with_noise(waves: jax.Array, lengths: jax.Array, shares: jax.Array, noise: jax.Array) -> jax.Array:
    """Returns sounds with noise added.

    Args:
        waves: (batch, samples) float32.
        lengths: (batch,) integers, valid samples of each, of which the root mean square is taken.
        shares: (batch,) float32, deviation of the noise as a share of the sound's root mean square.
        noise: (batch, samples) float32 of deviation 1.
    """
    valid = jnp.arange(waves.shape[1]) < lengths[:, None]
    power = jnp.where(valid, jnp.square(waves), 0).sum(1) / jnp.maximum(lengths, 1)
    return waves + (shares * jnp.sqrt(power))[:, None] * noise


def drawn_spans(key: jax.Array, most: jax.Array | int, sizes: jax.Array, masks: int, steps: int) -> jax.Array:
    """Draws spans as SpecAugment does: a width from 0 to `most`, then a place where the span fits.

    Args:
        key: random key.
        most: the largest width; at most the size of the example.
        sizes: (batch,) integers, valid steps of each example.
        masks: how many spans each example has.
        steps: number of steps with padding.

    Returns:
        (batch, steps) bool, True inside of a span.
    """
    drawn = jax.random.uniform(key, (2, sizes.shape[0], masks), jnp.float32)
    most = jnp.minimum(most, sizes)[:, None]
    # Rounding must not lead one past the largest number.
    width = jnp.minimum(jnp.floor(drawn[0] * (most + 1)), most)
    room = sizes[:, None] - width
    start = jnp.minimum(jnp.floor(drawn[1] * (room + 1)), room)
    position = jnp.arange(steps)
    inside = (position >= start[..., None]) & (position < (start + width)[..., None])
    return inside.any(1)


def _mean_of_valid(values: jax.Array, steps: jax.Array) -> jax.Array:
    """Returns the mean of the valid steps of each example, (batch, 1, 1), for values (batch, steps, size)."""
    valid = (jnp.arange(values.shape[1]) < steps[:, None])[..., None]
    count = jnp.maximum(steps, 1)[:, None, None] * values.shape[2]
    return jnp.where(valid, values, 0).sum((1, 2), keepdims=True) / count
