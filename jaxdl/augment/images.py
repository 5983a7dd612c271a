"""Random changes of the training examples, drawn in every step inside the compiled program.

Examples stay on the device as they are stored; nothing is changed on the host, and no changed example is kept. The
changes depend only on the seed and the number of the step, so that a resumed training draws the same ones.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp

from jaxdl import ops
from jaxdl.augment.boxes import crops
from jaxdl.augment.mixing import is_mask, mixed
from jaxdl.data.preprocess import Preprocess
from jaxdl.data.spec import Spec
from jaxdl.errors import UserError
from jaxdl.fields import at_least, described, enabled, fraction, show, static, traced


def _check_rotation(value: float) -> str | None:
    return None if 0 <= value <= 180 else "must be at least 0 and at most 180 degrees"


def _check_zoom(value: float) -> str | None:
    return None if 0 <= value <= 0.9 else "must be at least 0 and at most 0.9"


def _check_share(value: float) -> str | None:
    return None if 0 <= value <= 1 else "must be at least 0 and at most 1"


def _check_hue(value: float) -> str | None:
    return None if 0 <= value <= 0.5 else "must be at least 0 and at most 0.5, half of the colour circle"


def _check_brightness(value: float) -> str | None:
    return None if 0 <= value <= 1 else "must be at least 0 and at most 1, the whole range of an image"


@described
@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Random changes of each training example; none by default.

    Validation, test and prediction use unchanged examples. The changes are applied in the order of the fields, but for
    `crop`, which follows `zoom`, and the colours, which follow `brightness`; all except `gaussian_noise` need images
    (height, width, channels). Pixels from outside an image are 0. Where targets are masks, (height, width) numbers of
    classes, what moves the pixels of an image moves those of its mask, each the nearest; those from outside are of
    class 0.
    """

    flip: Literal["none", "horizontal", "vertical", "both"] = static(
        "none", "mirror training images with probability 1/2: left and right, top and bottom, or each of them"
    )
    shift: int = static(
        0,
        "move training images by up to this many whole pixels in each direction: a random crop of the image "
        "padded with zeros (He et al. 2016, arXiv:1512.03385, section 4.2)",
        check=at_least(0),
    )
    rotation: float = traced(
        0.0,
        "rotate training images about their centre by up to this many degrees, with bilinear interpolation",
        optional=True,
        check=_check_rotation,
    )
    zoom: float = traced(
        0.0,
        "enlarge or shrink training images about their centre by a factor in [1 - zoom, 1 + zoom], "
        "with bilinear interpolation",
        optional=True,
        check=_check_zoom,
    )
    contrast: float = traced(
        0.0,
        "multiply the distance from a training image's mean, channel by channel, by a factor in [1 - "
        "contrast, 1 + contrast], and clip to [0, 1]",
        optional=True,
        check=fraction,
    )
    brightness: float = traced(
        0.0,
        "add one number in [-brightness, brightness] to a training image, and clip to [0, 1]",
        optional=True,
        check=_check_brightness,
    )
    cutout: int = traced(
        0,
        "set a square with sides of this many pixels to 0; its centre may be anywhere in the training "
        "image (DeVries and Taylor 2017, arXiv:1708.04552)",
        optional=True,
        check=at_least(0),
    )
    gaussian_noise: float = traced(
        0.0,
        "standard deviation of normal noise that is added to each number of the training inputs, of "
        "any shape, which lie in [0, 1] before (Bishop 1995, Training with noise is equivalent to "
        "Tikhonov regularization)",
        optional=True,
        check=at_least(0),
    )
    crop: float = traced(
        0.0,
        "cut a box out of training images and resize it to the size of the image, with bilinear interpolation: its "
        "share of the area is drawn from [crop, 1], the ratio of its sides from [3/4, 4/3] (Szegedy et al. 2015, "
        "arXiv:1409.4842, with crop=0.08; torchvision's RandomResizedCrop); 0: none",
        optional=True,
        check=_check_share,
        since="0.3.0",
    )
    saturation: float = traced(
        0.0,
        "mix coloured training images with their grey by a factor in [1 - saturation, 1 + saturation], and clip to "
        "[0, 1], as torchvision's ColorJitter",
        optional=True,
        check=_check_share,
        since="0.3.0",
    )
    hue: float = traced(
        0.0,
        "turn the hue of coloured training images by up to this share of the colour circle, at most 0.5, as "
        "torchvision's ColorJitter and tf.image.random_hue",
        optional=True,
        check=_check_hue,
        since="0.3.0",
    )
    mixup: float = traced(
        0.0,
        "add another training image to each, and its label to the label, with shares s and 1 - s, where s is drawn "
        "from Beta(mixup, mixup) (Zhang et al. 2018, arXiv:1710.09412: 0.1 to 0.4); accuracy of training then counts "
        "the label of the larger share",
        optional=True,
        check=at_least(0),
        since="0.3.0",
    )
    cutmix: float = traced(
        0.0,
        "paste a box of another training image into each, with the share 1 - s of its area, s drawn from Beta(cutmix, "
        "cutmix), and mix labels by area (Yun et al. 2019, arXiv:1905.04899: 1.0); with mixup, an image gets one of "
        "the two, each with probability 1/2",
        optional=True,
        check=at_least(0),
        since="0.3.0",
    )

    def check(self, spec: Spec) -> None:
        """Checks that the fields can be applied to examples of this kind.

        Raises:
            UserError: a field needs images or numbers and the inputs are something else, or it would erase a whole
                image.
        """
        input_shape = spec.input_shape
        if spec.preprocess.cast == "none" and self != Augmentation():
            raise UserError("augmentation: it changes numbers, but the inputs of these data are ids.")
        if len(input_shape) != 3:
            for field in dataclasses.fields(self):
                name, value = field.name, getattr(self, field.name)
                if name != "gaussian_noise" and enabled(value) and value != "none":
                    raise UserError(
                        f"augmentation.{name}={show(value)}: needs images of shape (height, width, channels); an "
                        f"example of these data has shape {input_shape}. gaussian_noise takes any."
                    )
            return
        for name in ("mixup", "cutmix"):
            if enabled(getattr(self, name)) and spec.ignore_index is not None:
                raise UserError(
                    f"augmentation.{name}={getattr(self, name)}: a label to be ignored, "
                    f"data.ignore_index={spec.ignore_index}, cannot be mixed with others; leave one of the two out."
                )
        for name in ("shift", "cutout"):
            if getattr(self, name) >= min(input_shape[:2]):
                raise UserError(
                    f"augmentation.{name}={getattr(self, name)}: must be below the size of the images, "
                    f"{input_shape[0]}x{input_shape[1]} pixels."
                )
        for name in ("saturation", "hue"):
            if getattr(self, name) and input_shape[2] != 3:
                raise UserError(
                    f"augmentation.{name}={getattr(self, name)}: needs the channels red, green and blue; these images "
                    f"have {input_shape[2]}."
                )

    def apply(self, batch: Mapping[str, jax.Array], preprocess: Preprocess, key: jax.Array) -> dict[str, jax.Array]:
        """Returns the batch with its inputs preprocessed and changed at random.

        Args:
            batch: ``inputs`` (batch, ...) as stored, such as uint8, of a spec that `check` accepts; images are (batch,
                height, width, channels). Other arrays are returned unchanged, but for masks and what is mixed.
            preprocess: the preprocessing of the data, which scales them to [0, 1].
            key: random key.

        Returns:
            ``inputs`` of the same shape in float32 (ids as stored), and the other arrays of `batch`; where images are
            mixed, also what `jaxdl.augment.mixing.mixed` adds.
        """
        key_of = functools.partial(jax.random.fold_in, key)
        inputs, masks = self._moved(batch["inputs"], batch["targets"] if is_mask(batch) else None, key_of)
        changed = {**batch, "inputs": self._recoloured(preprocess.scaled(inputs), key_of)}
        if masks is not None:
            changed["targets"] = masks
        if enabled(self.mixup) or enabled(self.cutmix):
            changed = mixed(changed, self.mixup, self.cutmix, key_of)
        return preprocess.finished(changed)

    def _moved(
        self, inputs: jax.Array, masks: jax.Array | None, key_of: Callable[[int], jax.Array]
    ) -> tuple[jax.Array, jax.Array | None]:
        """Changes that move pixels: applied to inputs as they are stored, since these have the fewest bytes."""
        batch = inputs.shape[:1]
        for number, (axis, directions) in enumerate(((2, ("horizontal", "both")), (1, ("vertical", "both")))):
            if self.flip in directions:
                mirrored = _for_images(jax.random.bernoulli(key_of(number), jnp.float32(0.5), batch))
                inputs = jnp.where(mirrored, jnp.flip(inputs, axis), inputs)
                if masks is not None:
                    masks = jnp.where(mirrored[..., 0], jnp.flip(masks, axis), masks)
        if self.shift:
            moves = jax.random.randint(key_of(2), (*batch, 2), -self.shift, self.shift + 1, jnp.int32)
            inputs = ops.shift(inputs, moves, self.shift)
            if masks is not None:
                masks = ops.shift(masks[..., None], moves, self.shift)[..., 0]
        if enabled(self.rotation) or enabled(self.zoom):
            angle = jnp.deg2rad(_symmetric(self.rotation, batch, key_of(3)))
            factor = 1 + _symmetric(self.zoom, batch, key_of(4))
            inputs = ops.rotate_and_zoom(inputs, angle, factor)
            if masks is not None:
                masks = ops.rotate_and_zoom_masks(masks, angle, factor)
        if enabled(self.crop):
            boxes = crops(key_of(10), self.crop, *inputs.shape[:3])
            inputs = ops.crop_and_resize(inputs, boxes)
            if masks is not None:
                masks = ops.crop_and_resize_masks(masks, boxes)
        return inputs, masks

    def _recoloured(self, inputs: jax.Array, key_of: Callable[[int], jax.Array]) -> jax.Array:
        """Changes of values: applied to inputs in [0, 1]."""
        batch = inputs.shape[:1]
        if enabled(self.contrast):
            mean = inputs.mean((1, 2), keepdims=True)
            factor = 1 + _for_images(_symmetric(self.contrast, batch, key_of(7)))
            inputs = jnp.clip(mean + factor * (inputs - mean), 0, 1)
        if enabled(self.brightness):
            inputs = jnp.clip(inputs + _for_images(_symmetric(self.brightness, batch, key_of(8))), 0, 1)
        if enabled(self.saturation):
            inputs = ops.saturate(inputs, 1 + _symmetric(self.saturation, batch, key_of(11)))
        if enabled(self.hue):
            inputs = ops.turn_hue(inputs, _symmetric(self.hue, batch, key_of(12)))
        if enabled(self.cutout):
            inputs = jnp.where(_square(inputs.shape, self.cutout, key_of(5), key_of(6)), 0, inputs)
        if enabled(self.gaussian_noise):
            inputs = inputs + self.gaussian_noise * jax.random.normal(key_of(9), inputs.shape, jnp.float32)
        return inputs


def _for_images(values: jax.Array) -> jax.Array:
    """(batch,) as (batch, 1, 1, 1)."""
    return values[:, None, None, None]


def _symmetric(bound: Any, shape: tuple[int, ...], key: jax.Array) -> jax.Array:
    """Uniform float32 numbers in [-bound, bound)."""
    numbers: jax.Array = bound * jax.random.uniform(key, shape, jnp.float32, -1.0, 1.0)
    return numbers


def _square(shape: tuple[int, ...], side: Any, *keys: jax.Array) -> jax.Array:
    """Marks a square about a random pixel in each image, (batch, height, width, 1) bool."""
    batch, height, width, _ = shape
    inside: list[jax.Array] = []
    for size, axis_key in zip((height, width), keys, strict=True):
        centre = jax.random.randint(axis_key, (batch, 1), 0, size, jnp.int32)
        first = centre - jnp.floor(jnp.asarray(side) / 2)
        position = jnp.arange(size)[None]
        inside.append((position >= first) & (position < first + side))
    return (inside[0][:, :, None] & inside[1][:, None, :])[..., None]
