"""A data set of pictures in a folder of their user's own."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from pathlib import Path
from typing import Literal, final

from jaxdl.data.folders import on_disk, reading
from jaxdl.data.folders.labels import list_labels
from jaxdl.data.folders.listing import Listing, existing, list_folder
from jaxdl.data.kept import Kept
from jaxdl.data.resizing import check_size, sides_of
from jaxdl.data.source import Notify, OwnFiles
from jaxdl.data.sources.shapes import Shapes
from jaxdl.data.spec import Dataset, Fit, Spec, examples
from jaxdl.data.stand_in import banner
from jaxdl.data.statistics import of_bytes, with_standard_targets
from jaxdl.errors import UserError
from jaxdl.fields import described, static
from jaxdl.files.paths import expanded

_NOT_NAMED = "images"  # the path of an experiment whose user has named no folder


@final
@described
@dataclasses.dataclass(frozen=True)
class Folder(OwnFiles):
    """Pictures in a folder, with one sub-folder for each class; inputs are (examples, height, width, channels) uint8.

    Above the folders of classes there may be folders of splits: ``train``, ``val`` (or ``valid``, ``validation``) and
    ``test``. What is missing of them is cut from train, the same share of each class. In the place of folders a table
    may name files and labels, see `labels`. Targets are (examples,) int32 classes, or float32 numbers.

    JPEG, PNG, BMP, GIF, WebP and TIFF are read as a person sees them, see `jaxdl.data.load_image`, by training and
    prediction alike: turned by their EXIF orientation, drawn on white if they are transparent, from 16 bits to 8.
    Decoded pictures are kept in the user's cache folder, and decoded again when a file of the folder changes.
    """

    path: str = static(_NOT_NAMED, "the folder", path=True)
    size: int | str = static(
        64,
        "pixels of each side, or HEIGHTxWIDTH: 48x64 is 48 high and 64 wide",
        check=check_size,
    )
    channels: Literal["auto", 1, 3] = static(
        "auto", "1 for gray, 3 for colour; auto: 1 if every picture of train is gray, otherwise 3"
    )
    fit: Fit = static(
        "stretch",
        "how a picture of another shape is brought to the size: stretch it; crop its centre after its shorter side "
        "fits; or pad it with white after its longer side fits; the same in prediction",
    )
    on_bad: Literal["stop", "skip"] = static(
        "stop", "what is done about files that cannot be used: stop, or leave them out, counted and listed"
    )
    labels: str = static(
        "",
        "a CSV, TSV or Parquet table in the place of folders of classes: columns file and label, and where there is "
        "one split; labels are texts, whole numbers, or numbers with a fraction for a regression",
        path=True,
    )
    group: str = static(
        "", "column of the table by which validation and test are cut, such as a patient: none is cut in two"
    )
    normalize: bool = static(
        True, "whether each channel is standardised by the mean and deviation of train, inside the compiled step"
    )

    fallback: Literal["embedded", "none"] = static(
        "none",
        f"what to use when no folder is named and there is no folder {_NOT_NAMED}: generated pictures of coloured "
        "shapes, or nothing, which is an error",
    )

    @property
    def requested(self) -> str:
        return f"folder:{self.path}"

    def spec(self, data_dir: Path) -> Spec:
        return self.read(data_dir, print).spec

    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        """Returns the pictures of all splits that the folder has.

        Raises:
            UserError: there is no such folder, it has no classes, or a file in it cannot be used; the message names it.
        """
        if self.group and not self.labels:
            raise UserError(f"data.group={self.group}: groups are a column of a table; give it as --data.labels=FILE.")
        try:
            root = existing(expanded(self.path))
        except UserError as problem:
            if self.fallback == "none" or self.path != _NOT_NAMED:  # a path that is mistyped is a mistake
                raise
            return self._stand_in(problem, data_dir, notify)
        fields = json.dumps([self.size, self.channels, self.fit, self.on_bad, self.labels, self.group])
        found = reading.read(
            fields,
            lambda: self._listing(root),
            functools.partial(self._decode, notify),
            reading.cache(root, fields),
            notify,
            lambda listing: self.streams(len(listing.pictures) * math.prod(sides_of(self.size)) * 3),
        )
        for line in found.lines:
            notify(line)
        return Dataset(
            spec=found.spec,
            splits=found.splits,
            requested=self.requested,
            used=self.requested,
            fingerprint=found.fingerprint,
            train_examples=examples(found.splits["train"]),
        )

    def _stand_in(self, problem: UserError, data_dir: Path, notify: Notify) -> Dataset:
        stand_in = Shapes(size=max(16, *sides_of(self.size)), kinds=4, train_examples=1000, test_examples=240)
        used = f"shapes ({stand_in.train_examples:,} generated pictures of coloured shapes to train on, no photographs)"
        way_out = ["give a folder of pictures with --data=folder:PATH", "--data.fallback=none makes this an error"]
        notify(banner(self.requested, [used], [str(problem)], way_out))
        return dataclasses.replace(stand_in.read(data_dir, notify), requested=self.requested)

    def _decode(self, notify: Notify, listing: Listing, drafts: Path | None, stays: bool) -> Kept:
        channels = None if self.channels == "auto" else self.channels
        given = (listing, sides_of(self.size), channels, self.fit, notify)
        skip = self.on_bad == "skip"
        if stays and drafts is not None:
            return on_disk.decode(*given, drafts, skip=skip)
        return reading.decode(*given, drafts, skip=skip)

    def _listing(self, root: Path) -> Listing:
        return list_labels(root, self.labels, self.group) if self.labels else list_folder(root)

    def fitted(self, dataset: Dataset, notify: Notify) -> Dataset:
        if self.normalize:
            old = dataset.spec.preprocess
            mean, deviation = of_bytes(dataset.splits["train"]["inputs"], old.scale)
            preprocess = dataclasses.replace(old, mean=mean, deviation=deviation)
            dataset = dataclasses.replace(dataset, spec=dataclasses.replace(dataset.spec, preprocess=preprocess))
        return with_standard_targets(dataset)
