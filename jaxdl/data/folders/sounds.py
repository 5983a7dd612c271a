"""Decodes the sounds of a listing to arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
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
    pictures, problems = list(listing.pictures), list(listing.problems)

    def each(read: Callable[[Path], Any]) -> list[Any]:
        """Returns what is read of each sound; those that cannot be read are no longer among the sounds."""
        nonlocal pictures
        values: list[Any] = [None] * len(pictures)
        try:
            skipped = fill(values, [p.path for p in pictures], read, notify, skip=skip, what="sounds")
        except UserError as problem:
            raise stopped([str(problem).rstrip(".")]) from problem
        problems.extend(text.rstrip(".") for text in skipped.values())
        pictures = [picture for row, picture in enumerate(pictures) if row not in skipped]
        check_left(listing, pictures)
        return [value for row, value in enumerate(values) if row not in skipped]

    headers: list[Header] = each(read_header)
    rate = rate or _most_common(header.rate for header, p in zip(headers, pictures, strict=True) if p.split == "train")
    _check_memory(headers, rate)
    about = dict(zip((picture.path for picture in pictures), headers, strict=True))
    # Floats take twice the memory: only sounds that go beyond full scale stay so until it is known how far.
    waves: list[np.ndarray] = each(lambda path: _compact(load_sound(path, rate)))
    peaks = sorted((float(np.abs(wave).max()) for wave in waves if wave.dtype.kind == "f"), reverse=True)
    scale = peaks[0] / (FULL_SCALE - 1) if peaks else 1 / FULL_SCALE
    if peaks:
        whole = np.float32(1 / FULL_SCALE)
        waves = [wave if wave.dtype.kind == "f" else wave * whole for wave in waves]
    lengths = np.array([len(wave) for wave in waves])
    of_train = np.array([picture.split == "train" for picture in pictures])
    samples = samples_for(lengths[of_train], rate, seconds)
    splits = split_up(packed(waves, samples, scale), pictures, listing.classes)
    lines = (
        *listing.remarks,
        *_about_files([about[picture.path] for picture in pictures], rate),
        about_cut(lengths, rate, samples, seconds),
        *(
            f"The loudest sound reaches {peak:.4g} times full scale; all are stored at that scale."
            for peak in peaks[:1]
        ),
        *left_out(problems),
    )
    spec = Spec(
        (samples,), "int16", Preprocess(scale), (), len(listing.classes), listing.classes, lengths=True, rate=rate
    )
    return Kept(spec, splits, fingerprint(splits["train"], splits.get("test"), splits.get("validation")), lines)


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


def _most_common(rates: Iterable[int]) -> int:
    counts = Counter(rates)
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
