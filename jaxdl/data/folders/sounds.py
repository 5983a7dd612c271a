"""Decodes the sounds of a listing to arrays."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.data.decoding import fill
from jaxdl.data.folders.listing import Kind, Listing
from jaxdl.data.folders.reading import check_left, left_out, split_up, stopped
from jaxdl.data.kept import Kept
from jaxdl.data.preprocess import Preprocess
from jaxdl.data.sounds import EXTENSIONS, FULL_SCALE, Header, load_sound, packed, quantized, read_header
from jaxdl.data.source import Notify
from jaxdl.data.spec import Spec, fingerprint
from jaxdl.errors import UserError

SOUNDS = Kind("sound", "audio", EXTENSIONS)
_PERCENTILE = 95


def decode(listing: Listing, rate: int | None, seconds: float | None, notify: Notify, *, skip: bool) -> Kept:
    """Decodes all sounds of a listing.

    Args:
        listing: what lies in the folder.
        rate: samples a second; None: the rate of most files of train, of several such the lowest.
        seconds: what is kept of each sound at most; None: see `samples_for`.
        notify: called with progress lines.
        skip: whether what cannot be used is left out and listed, or an error.

    Returns:
        Inputs (examples, samples) int16, filled up with zeros, whose scale makes 1 of full scale, or of the loudest
        sample where that is beyond it; lengths (examples,) int32 in samples; targets (examples,) int32 classes.

    Raises:
        UserError: something cannot be used and `skip` is not set; or a class or a split is left without sounds.
    """
    if listing.problems and not skip:
        raise stopped(listing.problems)
    read = _read_all(listing, rate, notify, skip)
    waves, scale = _scaled(read.waves)
    lengths = np.array([len(wave) for wave in waves])
    of_train = np.array([sound.split == "train" for sound in read.listing.pictures])
    samples = samples_for(lengths[of_train], read.rate, seconds)
    names = listing.classes
    splits = split_up(packed(waves, samples, scale), read.listing.pictures, names)
    lines = (
        *listing.remarks,
        *_about_files(read.headers, read.rate),
        about_cut(lengths, read.rate, samples, seconds),
        *([_about_level(scale)] if scale > 1 / FULL_SCALE else []),
        *left_out(read.listing.problems),
    )
    spec = Spec((samples,), "int16", Preprocess(scale), (), len(names), names, lengths=True, rate=read.rate)
    return Kept(spec, splits, fingerprint(splits["train"], splits.get("test"), splits.get("validation")), lines)


@dataclasses.dataclass(frozen=True)
class _Read:
    """Sounds as they are read.

    Attributes:
        listing: those that can be read, and among its problems why others cannot.
        headers: of each.
        waves: of each, (samples,): int16 of full scale, or float32 where it goes beyond that.
        rate: samples a second of the waves.
    """

    listing: Listing
    headers: Sequence[Header]
    waves: Sequence[np.ndarray]
    rate: int


def _read_all(listing: Listing, rate: int | None, notify: Notify, skip: bool) -> _Read:
    left, headers = _each(listing, read_header, notify, skip)
    about = dict(zip((sound.path for sound in left.pictures), headers, strict=True))
    chosen = rate or _most_common(about, left)
    _check_memory(headers, chosen)
    left, waves = _each(left, lambda path: _compact(load_sound(path, chosen)), notify, skip)
    if rate is None and chosen != _most_common(about, left):  # what cannot be decoded has no say in it
        return _read_all(left, rate, notify, skip)
    return _Read(left, [about[sound.path] for sound in left.pictures], waves, chosen)


def _each(listing: Listing, read: Callable[[Path], Any], notify: Notify, skip: bool) -> tuple[Listing, list[Any]]:
    """Returns what is read of each sound, and the listing of those that can be read."""
    sounds, values = listing.pictures, [None] * len(listing.pictures)
    try:
        skipped = fill(values, [sound.path for sound in sounds], read, notify, skip=skip, what="sounds")
    except UserError as problem:
        raise stopped([str(problem).rstrip(".")]) from problem
    good = [row for row in range(len(sounds)) if row not in skipped]
    problems = (*listing.problems, *(text.rstrip(".") for text in skipped.values()))
    left = dataclasses.replace(listing, pictures=tuple(sounds[row] for row in good), problems=problems)
    check_left(listing, left.pictures)
    return left, [values[row] for row in good]


def _scaled(waves: Sequence[np.ndarray]) -> tuple[Sequence[np.ndarray], float]:
    """Returns sounds that `packed` takes with the returned scale: that of full scale, or of what goes beyond it most.

    Floats take twice the memory, so that sounds are floats only where one goes beyond full scale.
    """
    peak = max((float(np.abs(wave).max()) for wave in waves if wave.dtype.kind == "f"), default=0.0)
    if not peak:
        return waves, 1 / FULL_SCALE
    whole = np.float32(1 / FULL_SCALE)
    return [wave if wave.dtype.kind == "f" else wave * whole for wave in waves], peak / (FULL_SCALE - 1)


def samples_for(lengths: np.ndarray, rate: int, seconds: float | None) -> int:
    """Returns how many samples of a sound are kept at most.

    Args:
        lengths: (sounds,) samples of those of train.
        rate: samples a second.
        seconds: the longest; None: a length that 95 of 100 sounds of train do not exceed.
    """
    if seconds is not None:
        return max(1, round(seconds * rate))
    return int(np.percentile(lengths, _PERCENTILE, method="higher"))


def about_cut(lengths: np.ndarray, rate: int, samples: int, seconds: float | None) -> str:
    """Returns the line that says how long sounds are, and how many are cut.

    Args:
        lengths: (sounds,) samples of all, before they are cut.
        rate: samples a second.
        samples: what is kept at most.
        seconds: as for `samples_for`.
    """
    least, middle, most = (value / rate for value in (lengths.min(), np.median(lengths), lengths.max()))
    cut = int((lengths > samples).sum())
    why = f"the {_PERCENTILE}th percentile of train" if seconds is None else "--data.seconds"
    after = f"{cut:,} of {len(lengths):,} are cut after {samples / rate:.4g} s ({why})" if cut else "none is cut"
    return f"Sounds are {least:.3g} to {most:.3g} s long, half of them up to {middle:.3g} s; {after}."


def _about_files(headers: Sequence[Header], rate: int) -> list[str]:
    """Returns lines on rates and channels, where they differ."""
    rates, mixed = Counter(header.rate for header in headers), sum(header.channels > 1 for header in headers)
    lines = []
    if len(rates) > 1 or rate not in rates:
        listed = ", ".join(f"{each:,} Hz ({count:,} sounds)" for each, count in sorted(rates.items()))
        lines.append(f"The rates of the files are {listed}; all are resampled to {rate:,} Hz (--data.rate).")
    if mixed:
        lines.append(f"{mixed:,} of {len(headers):,} sounds have several channels, which are averaged.")
    return lines


def _about_level(scale: float) -> str:
    peak = scale * (FULL_SCALE - 1)
    return f"The loudest sound reaches {peak:.4g} times full scale; all are stored at that scale."


def _most_common(about: Mapping[Path, Header], listing: Listing) -> int:
    """Returns the rate of most sounds of train, of several such the lowest."""
    counts = Counter(about[sound.path].rate for sound in listing.pictures if sound.split == "train")
    return min(counts, key=lambda rate: (-counts[rate], rate))


def _compact(wave: np.ndarray) -> np.ndarray:
    return quantized(wave, 1 / FULL_SCALE) if np.abs(wave).max() <= 1 else wave


def _check_memory(headers: Sequence[Header], rate: int) -> None:
    """Raises `UserError` where decoded sounds would not fit: the system would end the process without a word."""
    from jaxdl.backend.memory import free_host_memory  # here, since it imports JAX

    needed = sum(2 * header.samples * rate / header.rate for header in headers)
    needed += max(header.samples * header.channels for header in headers) * 8
    if needed > free_host_memory():
        raise UserError(
            f"{len(headers):,} sounds take {needed / 1e9:,.1f} GB of memory at {rate:,} Hz, and "
            f"{free_host_memory() / 1e9:,.1f} GB are free: give a smaller --data.rate."
        )
