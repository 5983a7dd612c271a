"""Texts of their user's own: to be classified, or to be continued by a language model."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal, final

from jaxdl.data.source import Notify, OwnFiles
from jaxdl.data.sources.sentences import STAND_INS
from jaxdl.data.spec import Dataset, Spec
from jaxdl.data.stand_in import banner
from jaxdl.data.texts.coded import Shares, coded
from jaxdl.data.texts.corpus import usable
from jaxdl.data.texts.fields import OfTexts
from jaxdl.data.texts.files import Reading, find_texts
from jaxdl.data.texts.reading import check_encoding
from jaxdl.data.texts.vocabulary import Wish
from jaxdl.errors import UserError
from jaxdl.fields import at_least, described, static
from jaxdl.files.paths import expanded


@final
@described
@dataclasses.dataclass(frozen=True)
class Text(OfTexts, OwnFiles):
    """Texts as ids, (examples, length) in the smallest integer dtype that holds them, with lengths.

    The path is a folder with a sub-folder for each class and a file for each example (with or without folders of splits
    above them), a folder with a file for each class and an example in each line, a table with the columns ``text`` and
    ``target`` (or a folder of such tables, named train, validation and test), or a file of one running text. Targets
    are (examples,) int32 classes, or float32 numbers of a table; of a running text, whose examples are windows, they
    are the ids that follow, (examples, length) int32.

    Validation and test, where the source does not have them, are the same share of each class, or the last parts of a
    running text. The vocabulary follows from train alone. Ids are 0 for padding and 1 for what is not in the
    vocabulary; the others count from 2.
    """

    path: str = static("", "the folder or file", path=True)
    text_column: str = static("text", "of a table: the column of texts")
    target_column: str = static("target", "of a table: the column to predict")
    header: bool | None = static(
        None,
        "of CSV and TSV files: whether the first line holds the names of the columns, which are otherwise 0, 1 and so "
        "on; none: it does, and is refused if it holds a number",
    )
    lines: bool = static(
        False, "of a file without targets: whether each line is an example of its own, not all one running text"
    )
    stretches: int = static(
        1,
        "of one running text: in how many parts it is cut, of each of which the end is held out for validation and "
        "test; 1: the end of the whole text, which may be another chapter or play than all of train",
        check=at_least(1),
    )
    encoding: str = static("utf-8", "how files of text are encoded; tables are UTF-8", check=check_encoding)
    on_bad: Literal["stop", "skip"] = static(
        "stop", "what is done about texts that cannot be used: stop, or leave them out, counted and listed"
    )
    fallback: Literal["embedded", "none"] = static(
        "none",
        f"what to use when the path is {' or '.join(STAND_INS)} and there is no such file or folder: generated texts, "
        "or nothing, which is an error",
    )

    @property
    def requested(self) -> str:
        return f"text:{self.path}"

    @property
    def wish(self) -> Wish:
        return dataclasses.replace(super().wish, encoding=self.encoding, column=self.text_column)

    def spec(self, data_dir: Path) -> Spec:
        return self.load(data_dir, None).spec

    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        """Returns all splits, coded.

        Raises:
            UserError: there is no such path, or a text cannot be used; the message names file and row.
        """
        if not self.path:
            raise UserError("no text is given: --data=text:PATH, such as --data=text:reviews.csv.")
        path, skip = expanded(self.path), self.on_bad == "skip"
        used, passes = self.requested, 1
        if not path.exists() and self.fallback == "embedded" and self.path in STAND_INS:
            stand_in = STAND_INS[self.path]
            used, passes, found = stand_in.name, stand_in.passes, stand_in.make()
            way_out = ["give texts of your own with --data=text:PATH", "--data.fallback=none makes this an error"]
            more = [f"an epoch is {passes} passes over it, since it is much smaller"] if passes > 1 else []
            notify(
                banner(self.requested, [stand_in.words, *more], [f"there is no {self.path} in {Path.cwd()}"], way_out)
            )
        else:
            how = Reading(self.text_column, self.target_column, self.encoding, self.lines, self.header)
            found = find_texts(path, how)
        dataset = coded(
            usable(found, skip, notify),
            self.wish,
            Shares(self.validation, self.test, self.stretches),
            used,
            notify,
            skip=skip,
        )
        return dataclasses.replace(dataset, requested=self.requested, passes=passes)
