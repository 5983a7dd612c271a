"""What of a TFDS set is read: the fields of its source that decide it."""

from __future__ import annotations

import dataclasses
import hashlib
import json


@dataclasses.dataclass(frozen=True)
class Choice:
    """What is read of a set.

    Attributes:
        split: the part for training, as TFDS writes it (``train[:80%]``); empty: train.
        validation_split: the part for validation; empty: the set's own validation split, if it is not the one to test
            on, otherwise none.
        test_split: the part to test on; empty: the set's own test split, or, if it has none with labels, its own
            validation split, or none.
        inputs: the names of the features that are inputs; empty: those of TFDS.
        targets: likewise.
        size: (height, width) to which images are resized; None: as stored.
    """

    split: str = ""
    validation_split: str = ""
    test_split: str = ""
    inputs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    size: tuple[int, int] | None = None

    @property
    def key(self) -> str:
        """A text that tells choices apart, for the name of a folder; empty for the default."""
        if self == Choice():
            return ""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self)).encode()).hexdigest()[:16]
