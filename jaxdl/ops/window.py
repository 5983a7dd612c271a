"""How a kernel or a pooling window moves over an image: sizes, strides, padding and dilation."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from jax import lax

Sizes = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


def per_dimension(value: int | Sequence[int], spatial: int, name: str) -> Sizes:
    """Returns one number for each spatial dimension.

    Raises:
        ValueError: `value` is a sequence of the wrong length.
    """
    sizes = (value,) * spatial if isinstance(value, int) else tuple(value)
    if len(sizes) != spatial:
        raise ValueError(f"{name}={sizes}: the inputs have {spatial} spatial dimensions")
    return sizes


def padding_pairs(
    size: Sequence[int], window: Sequence[int], strides: Sequence[int], padding: str | Sequence[tuple[int, int]]
) -> Pairs:
    """Returns (before, after) for each spatial dimension.

    Raises:
        ValueError: `padding` is not ``"VALID"``, ``"SAME"`` or one pair for each spatial dimension.
    """
    if isinstance(padding, str):
        if padding not in ("VALID", "SAME"):
            raise ValueError(f"padding={padding!r}: must be 'VALID', 'SAME' or pairs of numbers")
        padding = lax.padtype_to_pads(size, window, strides, padding)
    if len(padding) != len(size):
        raise ValueError(f"padding={padding}: the inputs have {len(size)} spatial dimensions")
    return tuple((int(before), int(after)) for before, after in padding)


@dataclasses.dataclass(frozen=True)
class Window:
    """How a kernel moves over an image; each attribute has one entry for each spatial dimension."""

    strides: Sizes
    padding: Pairs
    dilation: Sizes

    def outputs(self, size: Sequence[int], kernel: Sequence[int]) -> Sizes:
        """Returns the output size for an image and a kernel."""
        rows = zip(size, dilated_size(kernel, self.dilation), self.strides, self.padding, strict=True)
        return tuple(max(0, (n + sum(pair) - reach) // stride + 1) for n, reach, stride, pair in rows)


def dilated_size(size: Sequence[int], dilation: Sequence[int]) -> Sizes:
    """Returns how many neighbouring elements a dilated kernel spans, for each spatial dimension."""
    return tuple((n - 1) * hole + 1 for n, hole in zip(size, dilation, strict=True))
