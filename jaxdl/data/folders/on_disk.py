"""Decodes the pictures of a listing to files, a part at a time: for folders that do not fit into memory."""

from __future__ import annotations

import itertools
import math
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.data.decoding import fill
from jaxdl.data.folders import by_index, reading
from jaxdl.data.folders.listing import Listing, Picture
from jaxdl.data.images import stored_image
from jaxdl.data.kept import Kept
from jaxdl.data.npy import Writer, opened
from jaxdl.data.source import Notify
from jaxdl.data.spec import Fit, Spec, fingerprint
from jaxdl.data.stream import PART_BYTES, blocks
from jaxdl.errors import UserError

_TELL_EVERY = 10.0  # seconds
_DISK_SHARE = 0.5  # of what is free


def decode(
    listing: Listing,
    room: tuple[int, int],
    channels: int | None,
    fit: Fit,
    notify: Notify,
    drafts: Path,
    *,
    skip: bool,
) -> Kept:
    """Decodes all pictures of a listing, as `jaxdl.data.folders.reading.decode` does, but into files.

    Where they would take more than half of the free disk, see `jaxdl.data.folders.by_index`.

    Args:
        drafts: an existing folder for the files.
        listing, room, channels, fit, notify, skip: as there.

    Returns:
        The same numbers; inputs are read from the files.

    Raises:
        UserError: as there, or the files cannot be written.
    """
    spec = reading.spec_of(listing, room, channels, fit)
    if len(listing.pictures) * math.prod(spec.input_shape) > _DISK_SHARE * shutil.disk_usage(drafts).free:
        return by_index.decode(listing, room, channels, fit, notify, skip=skip)
    if listing.problems and not skip:
        raise reading.stopped(listing.problems)
    tell = _teller(len(listing.pictures), notify)
    left, skipped, coloured = list[Picture](), list[str](), False
    files = {}
    for split, of_split in itertools.groupby(listing.pictures, key=lambda picture: picture.split):
        files[split] = drafts / f"{split}.npy"
        writer = Writer(files[split], spec.input_shape, np.dtype(np.uint8))
        try:
            for pictures in _some(list(of_split), spec):
                inputs, pictures, problems = _decoded(pictures, spec, skip)
                writer.write(inputs)
                left += pictures
                skipped += problems
                coloured = coloured or (split == "train" and not all(map(reading.is_gray, inputs)))
                tell(len(left) + len(skipped))
        finally:
            writer.close()
    reading.check_left(listing, left)
    if channels is None and not coloured:
        spec = reading.without_colour(spec)
        files = {
            split: _one_channel(path, [p for p in left if p.split == split], spec) for split, path in files.items()
        }
    splits = reading.split_up({}, left, listing.classes)
    for split, path in files.items():
        splits[split]["inputs"] = opened(path)
    lines = (*listing.remarks, *reading.left_out([*listing.problems, *skipped]))
    digest = fingerprint(splits["train"], splits.get("test"), splits.get("validation"))
    return Kept(spec, splits, digest, tuple(lines))


def _some(pictures: Sequence[Picture], spec: Spec) -> Iterator[list[Picture]]:
    step = max(1, PART_BYTES // math.prod(spec.input_shape))
    for start in range(0, len(pictures), step):
        yield list(pictures[start : start + step])


def _decoded(pictures: list[Picture], spec: Spec, skip: bool) -> tuple[np.ndarray, list[Picture], list[str]]:
    """Returns the inputs of those pictures that can be used, these pictures, and what is wrong with the others."""
    inputs = np.empty((len(pictures), *spec.input_shape), np.uint8)
    try:
        skipped = fill(inputs, [picture.path for picture in pictures], lambda path: stored_image(path, spec), skip=skip)
    except UserError as problem:
        raise reading.stopped([str(problem).rstrip(".")]) from problem
    good = [number for number in range(len(pictures)) if number not in skipped]
    inputs = inputs[good] if skipped else inputs
    return inputs, [pictures[number] for number in good], [text.rstrip(".") for text in skipped.values()]


def _one_channel(path: Path, pictures: Sequence[Picture], spec: Spec) -> Path:
    """Writes a file again with one channel, and returns it."""
    new = path.with_name(f"gray-{path.name}")
    writer = Writer(new, spec.input_shape, np.dtype(np.uint8))
    try:
        for first, part in blocks({"inputs": opened(path)}):
            inputs = part["inputs"]
            writer.write(reading.one_channel(inputs, pictures[first : first + len(inputs)], spec))
    finally:
        writer.close()
    path.unlink()
    return new


def _teller(count: int, notify: Callable[[str], None]) -> Callable[[int], Any]:
    due = time.monotonic() + _TELL_EVERY

    def tell(done: int) -> None:
        nonlocal due
        if time.monotonic() > due:
            due = time.monotonic() + _TELL_EVERY
            notify(f"Decoding {count:,} images to disk: {100 * done // count} %")

    return tell
