"""Brings an image to the size of a model's inputs: stretched, cropped or padded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxdl.data.spec import Fit

if TYPE_CHECKING:
    from PIL import Image


_LARGEST = 2**14


def check_size(size: int | str | None) -> str | None:
    """Returns what is wrong with the size of images that a user gives, or None."""
    try:
        sides = sides_of(size) if size is not None else (1, 1)
    except ValueError:
        return "must be a number of pixels, such as 64, or HEIGHTxWIDTH, such as 48x64"
    return None if all(1 <= side <= _LARGEST for side in sides) else f"must be from 1 to {_LARGEST:,} pixels"


def sides_of(size: int | str) -> tuple[int, int]:
    """Returns the (height, width) of ``64`` or ``"48x64"``.

    Raises:
        ValueError: it has another form.
    """
    if isinstance(size, int):
        return size, size
    height, cross, width = size.partition("x")
    return int(height), int(width if cross else height)


def scaled_size(size: tuple[int, int], room: tuple[int, int], fit: Fit) -> tuple[int, int]:
    """Returns the (width, height) to which an image is scaled, before it is cropped or padded.

    With ``crop`` its shorter side fits and the other is rounded down, as by torchvision's ``Resize``; with ``pad`` its
    longer side fits and the other is rounded to the nearest number. A side has at least one pixel.

    Args:
        size: (width, height) of the image.
        room: (width, height) of the inputs.
        fit: what is done where their shapes differ.
    """
    if fit == "stretch":
        return room
    (width, height), (most_width, most_height) = size, room
    by_height = most_height * width > most_width * height  # scaled to the room's height it would be wider than the room
    if fit == "crop":
        if by_height:
            return max(most_width, int(most_height * width / height)), most_height
        return most_width, max(most_height, int(most_width * height / width))
    if by_height:
        return most_width, max(1, round(most_width * height / width))
    return max(1, round(most_height * width / height)), most_height


def fitted(image: Image.Image, scaled: tuple[int, int], room: tuple[int, int]) -> Image.Image:
    """Returns an image of the size of the inputs: scaled, then the centre of it cut out, or white added around it.

    Scaling is bilinear, over all pixels that a new one covers (antialiased).

    Args:
        image: of mode ``L`` or ``RGB``, or ``F`` from 0 to 255.
        scaled: the result of `scaled_size`.
        room: (width, height) of the inputs.
    """
    from PIL import Image

    if image.size != scaled:
        image = image.resize(scaled, Image.Resampling.BILINEAR)
    if scaled == room:
        return image
    if scaled[0] >= room[0] and scaled[1] >= room[1]:
        # Halves are rounded to the even number, as by torchvision's CenterCrop.
        left, top = (round((have - want) / 2) for have, want in zip(scaled, room, strict=True))
        return image.crop((left, top, left + room[0], top + room[1]))
    padded = Image.new(image.mode, room, 255.0 if image.mode == "F" else "white")
    padded.paste(image, ((room[0] - scaled[0]) // 2, (room[1] - scaled[1]) // 2))
    return padded
