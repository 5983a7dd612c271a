"""A data set of sounds in a folder of their user's own."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Literal, final

from jaxdl.data.folders import reading
from jaxdl.data.folders.listing import Listing, existing, list_folder
from jaxdl.data.folders.names import check_label_pattern, check_pattern, list_names
from jaxdl.data.folders.sounds import SOUNDS, decode
from jaxdl.data.sounds import library
from jaxdl.data.source import Notify, OwnFiles
from jaxdl.data.sources.sounds import OfSounds, check_longest
from jaxdl.data.spec import Dataset, Spec, examples
from jaxdl.errors import UserError
from jaxdl.fields import above_zero, described, static
from jaxdl.files.paths import expanded


@final
@described
@dataclasses.dataclass(frozen=True)
class Audio(OfSounds, OwnFiles):
    """Sounds in a folder, with one sub-folder for each class or classes in their names.

    Above the folders of classes there may be folders of splits: ``train``, ``val`` (or ``valid``, ``validation``) and
    ``test``. What is missing of them is cut from train, the same share of each class, or of groups that stay together.

    WAV of any width, FLAC, OGG, MP3 and what else libsndfile reads; channels are averaged, and sounds of other rates
    are resampled by soxr at its quality HQ. Inputs are (examples, samples) int16, filled up with zeros, with lengths
    (examples,); a model sees log-mel spectrograms, (examples, frames, bands), or the samples. Targets are (examples,)
    int32 classes. Decoded sounds are kept in the user's cache folder, and decoded again when a file changes.

    Needs soundfile and soxr, the extra ``sound``.
    """

    path: str = static("sounds", "the folder", path=True)
    rate: int | None = static(
        None, "samples a second to which sounds are brought; none: the rate of most files of train", check=above_zero
    )
    seconds: float | None = static(
        None,
        "what is kept of each sound at most, from its begin; none: a length that 95 of 100 sounds of train do not "
        "exceed",
        check=check_longest,
    )
    label_pattern: str = static(
        "",
        "in the place of folders of classes: a regular expression that finds the label in the name of a file, as its "
        "group label, and optionally the group whose files stay together, such as a speaker: "
        r"(?P<label>\d)_(?P<group>[a-z]+)_",
        check=check_label_pattern,
    )
    test_pattern: str = static(
        "",
        "with label_pattern: a regular expression that is found in the names of the files to test on; empty: the share "
        "`test` is",
        check=check_pattern,
    )
    on_bad: Literal["stop", "skip"] = static(
        "stop", "what is done about files that cannot be used: stop, or leave them out, counted and listed"
    )

    @property
    def requested(self) -> str:
        return f"audio:{self.path}"

    def spec(self, data_dir: Path) -> Spec:
        return self.read(data_dir, print).spec

    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        """Returns the sounds of all splits that the folder has.

        Raises:
            UserError: there is no such folder, it has no classes, or a file in it cannot be used; the message names it.
        """
        if self.test_pattern and not self.label_pattern:
            raise UserError(
                "data.test_pattern: it goes with data.label_pattern; folders of classes lie in train and test."
            )
        library("soundfile")
        root = existing(expanded(self.path), SOUNDS)
        fields = json.dumps([self.rate, self.seconds, self.label_pattern, self.test_pattern, self.on_bad])
        found = reading.read(
            fields,
            lambda: self._listing(root),
            lambda listing, *_: decode(listing, self.rate, self.seconds, notify, skip=self.on_bad == "skip"),
            reading.cache(root, fields),
            notify,
        )
        for line in found.lines:
            notify(line)
        return Dataset(
            spec=self.heard(found.spec),
            splits=found.splits,
            requested=self.requested,
            used=self.requested,
            fingerprint=found.fingerprint,
            train_examples=examples(found.splits["train"]),
        )

    def _listing(self, root: Path) -> Listing:
        if self.label_pattern:
            return list_names(root, self.label_pattern, self.test_pattern, SOUNDS)
        return list_folder(root, SOUNDS)
