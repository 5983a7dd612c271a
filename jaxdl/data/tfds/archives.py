"""Finds the original archives of a data set in ``DATA_DIR/downloads/manual/`` and verifies them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxdl.errors import UserError


@dataclass(frozen=True)
class Archive:
    """One original file of a data set, as registered in TFDS.

    Attributes:
        file: its name.
        url: where TFDS fetches it.
        size: in bytes.
        sha256: in hexadecimal.
    """

    file: str
    url: str
    size: int
    sha256: str


def manual_dir(data_dir: Path) -> Path:
    """Returns the folder in which TFDS looks for files that the user downloaded."""
    return data_dir / "downloads" / "manual"


def places(archive: Archive, data_dir: Path, name: str) -> tuple[Path, Path]:
    """Returns the places where an archive may be, the preferred place first.

    Several sets use the same names for different files (MNIST, Fashion-MNIST and KMNIST do). The folder with the set's
    own name is for sets whose place in the common folder is taken.
    """
    return manual_dir(data_dir) / archive.file, manual_dir(data_dir) / name / archive.file


def find(
    archives: Sequence[Archive], data_dir: Path, name: str, is_registered: Callable[[str], bool]
) -> dict[Archive, Path]:
    """Returns the archives that exist and are complete, with their places.

    Args:
        archives: all archives of the set.
        data_dir: the folder of all sets.
        name: the set's name.
        is_registered: returns whether a SHA-256 belongs to any archive of TFDS; such a file belongs to another set that
            uses the same name, and is not an error.

    Raises:
        UserError: a file with an archive's name is not the original, or cannot be read.
    """
    found = {}
    for archive in archives:
        for path in places(archive, data_dir, name):
            problem = flaw(path, archive) if path.exists() else "is missing"
            if problem is None:
                found[archive] = path
                break
            if path.is_file() and not is_registered(sha256(path)):
                raise UserError(f"{path} {problem}. Replace it with the original ({archive.url}), or remove it.")
    return found


def flaw(path: Path, archive: Archive) -> str | None:
    """Returns how a file differs from the original archive, or None if it does not."""
    size = path.stat().st_size
    if size < archive.size:
        return f"is cut short: it has {size:,} of {archive.size:,} bytes"
    if size > archive.size:
        return f"is not the original: it has {size:,} bytes instead of {archive.size:,}"
    got = sha256(path)
    return None if got == archive.sha256 else f"is altered: its sha256 is {got}, that of the original {archive.sha256}"


def sha256(path: Path) -> str:
    """Returns the SHA-256 hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
