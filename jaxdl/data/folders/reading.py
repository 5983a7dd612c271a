"""Decodes the pictures of a listing to arrays, and keeps these in the user's cache folder."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.data import kept
from jaxdl.data.folders.filling import Filling
from jaxdl.data.folders.listing import Listing, Picture
from jaxdl.data.images import load_images
from jaxdl.data.kept import Draft, Kept
from jaxdl.data.preprocess import Preprocess
from jaxdl.data.source import Notify
from jaxdl.data.spec import GROUPS, Fit, Spec, fingerprint
from jaxdl.data.tfds.workspace import workspace
from jaxdl.errors import UserError

# Part of the key of kept arrays: increased when decoding changes.
_FORMAT = 1
_SHOWN = 10  # files that a line lists
Make = Callable[[Listing, Path | None, bool], Kept]
NO_ROOM = "pictures that are read from disk while a model is trained are decoded to disk before"


def read(
    name: str,
    list_again: Callable[[], Listing],
    make: Make,
    cache: Path | None,
    notify: Notify,
    streams: Callable[[Listing], bool] = lambda listing: False,
) -> Kept:
    """Returns what is kept of a folder, or else decodes it and keeps that.

    Args:
        name: what the arrays depend on beside the files, as text: fields.
        list_again: lists the folder.
        make: decodes a listing; with a folder for files, if there is one, and whether inputs stay in files there.
        cache: the folder to keep arrays in; None: nothing is kept.
        notify: called with progress lines.
        streams: says whether inputs stay on disk.

    Raises:
        UserError: the folder cannot be read, or it changed meanwhile; or inputs stay on disk, and there is no room.
    """
    listing = list_again()
    what = f"The decoded {listing.kind.word}s"
    key, on_disk = _key(name, listing), streams(listing)
    if cache is None:
        if on_disk:
            raise UserError(f"{NO_ROOM}, and there is no home folder: set XDG_CACHE_HOME to a folder for them.")
        return _made(name, listing, list_again, make, None)
    found = kept.load(cache, key, on_disk=on_disk)
    if found is not None:
        return found
    with _drafts(cache, what, notify) as drafts:
        # Another process may have kept it while this one waited.
        found = kept.load(cache, key, on_disk=on_disk) if drafts is not None else None
        if found is not None:
            return found
        if on_disk:
            return _made_on_disk(name, listing, list_again, make, cache, drafts, notify)
        made = _made(name, listing, list_again, make, drafts)
        if drafts is not None:
            try:
                size = kept.save(cache, key, made, drafts)
                notify(f"{what} are kept in {cache} ({size / 1e6:,.1f} MB); it may be deleted.")
            except OSError as problem:
                notify(f"{what} are not kept: {problem.strerror or problem} ({cache}).")
    return made


def cache(root: Path, fields: str) -> Path | None:
    """Returns the folder for what is decoded of a folder, read with the given fields; None where there is none."""
    from jaxdl.files.paths import cache_folder

    try:
        folder = cache_folder()
    except RuntimeError:  # the user has no home folder
        return None
    digest = hashlib.sha256(json.dumps([str(root.resolve()), fields]).encode()).hexdigest()
    return folder / "data" / digest[:32]


def _made_on_disk(
    name: str,
    listing: Listing,
    list_again: Callable[[], Listing],
    make: Make,
    cache: Path,
    drafts: Path | None,
    notify: Notify,
) -> Kept:
    """Decodes a listing into files of the cache folder, and returns what is read from there."""
    if drafts is None:
        raise UserError(f"{NO_ROOM}: set XDG_CACHE_HOME to a folder for them, or give --data.stream=off.")
    try:
        made = _made(name, listing, list_again, make, drafts, on_disk=True)
        inputs: Any = made.splits["train"]["inputs"]
        if inputs.path.parent != drafts:  # they are decoded when they are asked for
            return made
        size = kept.save(cache, _key(name, listing), made, drafts)
    except OSError as problem:
        raise UserError(
            f"{NO_ROOM}: {problem.strerror or problem} ({cache}). Set XDG_CACHE_HOME to a folder on a larger disk, or "
            "give a smaller --data.size."
        ) from problem
    notify(f"The decoded pictures are kept in {cache} ({size / 1e6:,.1f} MB); it may be deleted.")
    found = kept.load(cache, _key(name, listing), on_disk=True)
    if found is None:
        raise UserError(f"{cache} was changed while it was written; run the same command again.")
    return found


def _made(
    name: str,
    listing: Listing,
    list_again: Callable[[], Listing],
    make: Make,
    drafts: Path | None,
    *,
    on_disk: bool = False,
) -> Kept:
    before = _key(name, listing)
    made = make(listing, drafts, on_disk)
    if _key(name, list_again()) != before:
        raise UserError(
            f"the folder of {listing.kind.word}s was changed while it was read; run the same command again."
        )
    return made


@contextlib.contextmanager
def _drafts(cache: Path, what: str, notify: Notify) -> Iterator[Path | None]:
    """Yields a folder for files that are not complete yet, which no other process uses; None where none can be made."""
    with contextlib.ExitStack() as stack:
        drafts = None
        try:
            drafts = stack.enter_context(workspace(cache, notify))
        except OSError as problem:
            notify(f"{what} are not kept: {problem.strerror or problem} ({cache}).")
        yield drafts


def _key(name: str, listing: Listing) -> str:
    """Returns a digest of all that decoded arrays depend on: fields, files with their times and sizes, targets."""
    digest = hashlib.sha256(json.dumps([_FORMAT, name, listing.classes, listing.problems, listing.remarks]).encode())
    for picture in listing.pictures:
        try:
            stat = picture.path.stat()
            seen = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        except OSError:
            seen = []
        line = [str(picture.path), picture.split, picture.target, picture.group, *seen]
        digest.update(json.dumps(line).encode() + b"\n")
    return digest.hexdigest()


def decode(
    listing: Listing,
    room: tuple[int, int],
    channels: int | None,
    fit: Fit,
    notify: Notify,
    drafts: Path | None = None,
    *,
    skip: bool,
) -> Kept:
    """Decodes all pictures of a listing.

    Args:
        listing: what lies in the folder.
        room: (height, width) of the inputs.
        channels: 1 or 3; None: 1 if every picture of train is gray, otherwise 3.
        fit: how pictures of other shapes are brought to this one.
        notify: called with progress lines.
        drafts: an existing folder for the file that is kept, which is filled meanwhile; None: there is none.
        skip: whether what cannot be used is left out and listed, or an error.

    Returns:
        Inputs (examples, height, width, channels) uint8; targets (examples,) int32 classes, or float32 numbers.

    Raises:
        UserError: something cannot be used and `skip` is not set; or a class or a split is left without pictures.
    """
    if listing.problems and not skip:
        raise stopped(listing.problems)
    pictures, spec = list(listing.pictures), spec_of(listing, room, channels, fit)
    _check_memory(len(pictures), spec)

    def splits_of(inputs: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
        return split_up({"inputs": inputs}, pictures, listing.classes)

    def may_stay(first: np.ndarray) -> bool:
        return channels is not None or not is_gray(first)  # where all are gray they have one channel

    try:
        filled = Filling([p.path for p in pictures], spec, splits_of, may_stay, notify, skip).filled(drafts)
    except UserError as problem:
        raise stopped([str(problem).rstrip(".")]) from problem
    inputs, digest, skipped = filled.inputs, filled.digest, filled.skipped
    if skipped:
        good = np.isin(np.arange(len(pictures)), list(skipped), invert=True)
        inputs, pictures = inputs[good], [picture for picture, is_good in zip(pictures, good, strict=True) if is_good]
    check_left(listing, pictures)
    if channels is None and all(is_gray(inputs[row]) for row, each in enumerate(pictures) if each.split == "train"):
        spec = without_colour(spec)
        inputs = one_channel(inputs, pictures, spec)
    inputs.flags.writeable = False  # the device may take it over without a copy
    draft, splits = None, splits_of(inputs)
    if inputs is filled.inputs and filled.file is not None:
        draft = Draft(filled.file, {split: (rows.start, rows.stop) for split, rows in rows_of(pictures).items()})
    elif filled.file is not None:  # room for the file that is written instead
        filled.file.unlink(missing_ok=True)
    if digest is None or inputs is not filled.inputs:
        digest = fingerprint(splits["train"], splits.get("test"), splits.get("validation"))
    lines = (*listing.remarks, *left_out([*listing.problems, *(text.rstrip(".") for text in skipped.values())]))
    return Kept(spec, splits, digest, tuple(lines), draft)


def spec_of(listing: Listing, room: tuple[int, int], channels: int | None, fit: Fit) -> Spec:
    """Returns what an example is: a picture with 3 channels, where their number is not given."""
    outputs = len(listing.classes) or 1
    return Spec((*room, channels or 3), "uint8", Preprocess(1 / 255), (), outputs, listing.classes, fit=fit)


def _check_memory(count: int, spec: Spec) -> None:
    """Raises `UserError` where decoded pictures would not fit: the system would end the process without a word."""
    from jaxdl.backend.memory import free_host_memory  # here, since it imports JAX

    needed, free = count * math.prod(spec.input_shape), free_host_memory()
    if needed > free:
        height, width, channels = spec.input_shape
        raise UserError(
            f"{count:,} pictures of {height}x{width}x{channels} take {needed / 1e9:,.1f} GB of memory, and "
            f"{free / 1e9:,.1f} GB are free: give a smaller --data.size."
        )


def stopped(problems: Sequence[str]) -> UserError:
    """Returns the error about the first of the problems, with the way out."""
    more = f" There are {len(problems) - 1:,} more such problems." if len(problems) > 1 else ""
    return UserError(f"{problems[0]}.{more} Correct or remove it, or leave such files out with --data.on_bad=skip.")


def left_out(problems: Sequence[str]) -> list[str]:
    """Returns the lines that count and list what is left out."""
    if not problems:
        return []
    shown = [f"  {problem}" for problem in problems[:_SHOWN]]
    more = [f"  and {len(problems) - _SHOWN:,} more"] if len(problems) > _SHOWN else []
    return [
        f"{len(problems):,} of the files or classes cannot be used and are left out (--data.on_bad=skip):",
        *shown,
        *more,
    ]


def check_left(listing: Listing, pictures: Sequence[Picture]) -> None:
    """Raises `UserError` where a class of train, or a split, has lost all its files."""
    for what, before, after in (
        ("split", {p.split for p in listing.pictures}, {p.split for p in pictures}),
        (
            "class",
            set(listing.classes),
            {p.target for p in pictures if p.split == "train"} if listing.classes else set(),
        ),
    ):
        lost = sorted(map(str, before - after))
        if lost:
            raise UserError(
                f"none of the {listing.kind.word}s of the {what} {lost[0]!r} can be read; remove or correct them."
            )


def is_gray(image: np.ndarray) -> bool:
    """Returns whether a picture (height, width, 3) is seen as gray.

    That counts, not the file: those of some formats, such as WebP, have three channels even for a gray picture.
    """
    return bool((image[..., 0] == image[..., 1]).all() and (image[..., 0] == image[..., 2]).all())


def without_colour(spec: Spec) -> Spec:
    """Returns the spec of pictures with one channel."""
    return dataclasses.replace(spec, input_shape=(*spec.input_shape[:2], 1))


def one_channel(inputs: np.ndarray, pictures: Sequence[Picture], spec: Spec) -> np.ndarray:
    """Returns inputs (examples, height, width, 3) with one channel, as `spec` says."""
    coloured = [row for row in range(len(pictures)) if not is_gray(inputs[row])]
    inputs = np.ascontiguousarray(inputs[..., :1])
    # As a prediction would read them.
    inputs[coloured] = load_images([pictures[row].path for row in coloured], spec)
    return inputs


def split_up(
    decoded: Mapping[str, np.ndarray], pictures: Sequence[Picture], classes: tuple[str, ...]
) -> dict[str, dict[str, np.ndarray]]:
    """Returns the splits of decoded examples, with their targets and, where there are some, groups.

    Args:
        decoded: arrays (examples, ...), such as ``inputs``.
        pictures: the examples, those of a split together.
        classes: names of the classes; empty for numbers to be predicted.
    """
    numbers = {name: number for number, name in enumerate(classes)}
    values = [numbers[str(p.target)] if classes else p.target for p in pictures]
    arrays = {**decoded, "targets": np.array(values, np.int32 if classes else np.float32)}
    if any(picture.group for picture in pictures):
        arrays[GROUPS] = np.unique([picture.group for picture in pictures], return_inverse=True)[1].astype(np.int32)
    return {split: {name: array[rows] for name, array in arrays.items()} for split, rows in rows_of(pictures).items()}


def rows_of(pictures: Sequence[Picture]) -> dict[str, slice]:
    """Returns which examples each split has; they lie together, so that its arrays are parts of others, not copies."""
    parts = np.array([picture.split for picture in pictures])
    found = {split: np.flatnonzero(parts == split) for split in ("train", "validation", "test")}
    return {split: slice(int(rows[0]), int(rows[-1]) + 1) for split, rows in found.items() if len(rows)}
