"""Decodes pictures to where they are kept for later trainings, and makes their fingerprint meanwhile."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.data.decoding import fill
from jaxdl.data.folders.beside import Beside
from jaxdl.data.images import stored_image
from jaxdl.data.mapped import Rows, can_be_mapped
from jaxdl.data.memory import empty
from jaxdl.data.source import Notify
from jaxdl.data.spec import Spec, Split

SplitsOf = Callable[[np.ndarray], Mapping[str, Split]]


@dataclasses.dataclass(frozen=True)
class Filled:
    """Decoded pictures.

    Attributes:
        inputs: (pictures, height, width, channels) uint8; rows that were skipped hold anything.
        skipped: the messages of rows that were skipped.
        digest: the fingerprint of the splits; None where it was not made meanwhile.
        file: the ``.npy`` file that holds the inputs; None: there is none.
    """

    inputs: np.ndarray
    skipped: Mapping[int, str]
    digest: str | None
    file: Path | None


@dataclasses.dataclass(frozen=True)
class Filling:
    """Decodes pictures.

    Args:
        paths: their files.
        spec: what an example is.
        splits_of: cuts inputs into splits, without a copy, and gives them the other arrays, which are complete.
        may_stay: says of the first picture whether what is decoded will stay as it is; if not, no fingerprint is made.
        notify: called with progress lines.
        skip: whether a picture that cannot be used is skipped, or an error.
    """

    paths: Sequence[Path]
    spec: Spec
    splits_of: SplitsOf
    may_stay: Callable[[np.ndarray], bool]
    notify: Notify
    skip: bool

    def filled(self, drafts: Path | None) -> Filled:
        """Returns the decoded pictures.

        They are decoded into a file that is mapped, where there can be one, so that memory is used for the first time
        once, and not for the array and for the file. Elsewhere they are decoded into memory, and written beside that.

        Args:
            drafts: an existing folder for a file of inputs; None: none is made.

        Raises:
            UserError: a picture cannot be used.
        """
        file = None if drafts is None else drafts / "inputs.npy"
        if file is not None and can_be_mapped(file.parent):
            try:
                with contextlib.closing(Rows(file, self._shape, np.dtype(np.uint8))) as rows:
                    skipped, found = self._fill(rows, rows.array, None)
                return Filled(rows.array, skipped, found[0] if found else None, file)
            except OSError:  # of the disk; where it is full, writing fails in what follows, too, which is no error
                file.unlink(missing_ok=True)
        inputs = empty(self._shape, np.uint8)
        skipped, found = self._fill(inputs, inputs, file)
        digest, written = found or (None, None)
        return Filled(inputs, skipped, digest, written)

    @property
    def _shape(self) -> tuple[int, ...]:
        return len(self.paths), *self.spec.input_shape

    def _fill(
        self, rows: Any, inputs: np.ndarray, file: Path | None
    ) -> tuple[dict[int, str], tuple[str, Path | None] | None]:
        """Decodes into rows, which `inputs` shows; returns what was skipped, and the results of `Beside`."""
        seen = 0
        with Beside(inputs, self.splits_of(inputs), file) as beside:

            def reached(count: int) -> None:
                nonlocal seen
                if not seen and not self.may_stay(inputs[0]):
                    beside.give_up()
                seen = count
                beside.reach(count)

            def read(path: Path) -> np.ndarray:
                return stored_image(path, self.spec)

            skipped = fill(rows, self.paths, read, self.notify, skip=self.skip, reached=reached)
        return skipped, beside.results()
