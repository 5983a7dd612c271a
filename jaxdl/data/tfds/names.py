"""Names of sets, as tensorflow-datasets writes them: ``NAME``, ``NAME/CONFIG``, ``NAME/CONFIG:VERSION``."""

from __future__ import annotations

import re
from dataclasses import dataclass

# The name of a config is the name of a folder; it must not point outside its parent.
CONFIG_NAME = re.compile(r"\w[\w+.-]*")
VERSION = re.compile(r"\d+\.\d+\.\d+")
_NAME = re.compile(
    rf"(?P<dataset>[a-z][a-z0-9_]*)(/(?P<config>{CONFIG_NAME.pattern}))?(:(?P<version>{VERSION.pattern}))?"
)


@dataclass(frozen=True)
class Name:
    """The parts of a set's name.

    Attributes:
        dataset: such as ``emnist``.
        config: such as ``letters``; empty for the set's default.
        version: such as ``3.1.0``; empty for the newest that is prepared, or TFDS's own.
    """

    dataset: str
    config: str = ""
    version: str = ""

    @property
    def without_version(self) -> str:
        """The set as a folder's name: ``emnist/letters``."""
        return f"{self.dataset}/{self.config}" if self.config else self.dataset


def is_name(text: str) -> bool:
    """Returns whether a text has the form of a set's name; loading checks whether there is such a set."""
    return _NAME.fullmatch(text) is not None


def parsed(text: str) -> Name:
    """Returns the parts of a name of the right form."""
    found = _NAME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a name of tensorflow-datasets")
    return Name(*(found[part] or "" for part in ("dataset", "config", "version")))


def version_key(version: str) -> tuple[int, ...]:
    """Returns what versions are sorted by: 1.10.0 is newer than 1.9.0."""
    return tuple(map(int, version.split(".")))
