"""Pictures that are decoded each time that they are needed: where neither memory nor disk hold them all."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.data.decoding import fill
from jaxdl.data.folders import reading
from jaxdl.data.folders.listing import Listing, Picture
from jaxdl.data.images import stored_image
from jaxdl.data.kept import Kept
from jaxdl.data.memory import empty
from jaxdl.data.source import Notify
from jaxdl.data.spec import Fit, Spec, fingerprint
from jaxdl.data.stream import PART_BYTES, Streamed, remembered_by
from jaxdl.errors import UserError


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Decodes pictures by their numbers, on as many threads as there are cores; a `jaxdl.data.stream.Reader`.

    Attributes:
        paths: the files.
        spec: describes one example.
        identity: see there.
    """

    paths: Sequence[Path]
    spec: Spec
    identity: str

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.paths), *self.spec.input_shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    @property
    def path(self) -> Path:
        return self.paths[0].parent

    def read(self, numbers: np.ndarray) -> np.ndarray:
        inputs = empty((len(numbers), *self.spec.input_shape), np.uint8)
        fill(inputs, [self.paths[number] for number in numbers.tolist()], self._decoded)
        return inputs

    def _decoded(self, path: Path) -> np.ndarray:
        if self.spec.input_shape[-1] == 3:
            return stored_image(path, self.spec)
        # As `jaxdl.data.folders.reading.one_channel`: a picture that is seen as gray has three equal channels.
        colours = stored_image(path, dataclasses.replace(self.spec, input_shape=(*self.spec.input_shape[:2], 3)))
        return colours[..., :1] if reading.is_gray(colours) else stored_image(path, self.spec)


def decode(
    listing: Listing, room: tuple[int, int], channels: int | None, fit: Fit, notify: Notify, *, skip: bool
) -> Kept:
    """Returns what `jaxdl.data.folders.reading.decode` does, with inputs that are decoded when they are asked for.

    Raises:
        UserError: as there.
    """
    if listing.problems and not skip:
        raise reading.stopped(listing.problems)
    spec = reading.spec_of(listing, room, channels, fit)
    identity = _identity(listing.pictures, spec)
    notify(f"{len(listing.pictures):,} pictures are decoded again in each epoch: decoded, they would fill the disk.")
    answer = remembered_by(f"pictures {identity} {skip}", lambda: _gone_through(listing.pictures, spec, skip))
    wrong: dict[str, str] = answer["wrong"]
    left = [picture for number, picture in enumerate(listing.pictures) if str(number) not in wrong]
    reading.check_left(listing, left)
    if channels is None and not answer["coloured"]:
        spec = reading.without_colour(spec)
    inputs = Streamed(Pictures([picture.path for picture in left], spec, f"{identity} {spec.input_shape} {len(left)}"))
    splits = reading.split_up({"inputs": inputs.as_array()}, left, listing.classes)
    lines = (*listing.remarks, *reading.left_out([*listing.problems, *wrong.values()]))
    digest = fingerprint(splits["train"], splits.get("test"), splits.get("validation"))
    return Kept(spec, splits, digest, tuple(lines))


def _gone_through(pictures: Sequence[Picture], spec: Spec, skip: bool) -> dict[str, Any]:
    """Decodes all pictures once; returns whether one of train has colours, and what is wrong with some, by number."""
    step = max(1, PART_BYTES // math.prod(spec.input_shape))
    wrong, coloured = dict[str, str](), False
    for start in range(0, len(pictures), step):
        inputs = np.zeros((min(step, len(pictures) - start), *spec.input_shape), np.uint8)
        some = pictures[start : start + step]
        try:
            skipped = fill(inputs, [each.path for each in some], lambda path: stored_image(path, spec), skip=skip)
        except UserError as problem:
            raise reading.stopped([str(problem).rstrip(".")]) from problem
        wrong |= {str(start + number): text.rstrip(".") for number, text in skipped.items()}
        of_train = [number for number, each in enumerate(some) if each.split == "train" and number not in skipped]
        coloured = coloured or not all(reading.is_gray(inputs[number]) for number in of_train)
    return {"wrong": wrong, "coloured": coloured}


def _identity(pictures: Sequence[Picture], spec: Spec) -> str:
    digest = hashlib.sha256(json.dumps([spec.input_shape, spec.fit]).encode())
    for picture in pictures:
        try:
            stat = picture.path.stat()
            seen = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        except OSError:
            seen = []
        digest.update(json.dumps([str(picture.path), picture.split, *seen]).encode())
    return digest.hexdigest()
