"""The fields that sources of texts share: units, vocabulary and length."""

from __future__ import annotations

import dataclasses
from typing import Literal

from jaxdl.data.source import Data
from jaxdl.data.texts.vocabulary import Wish
from jaxdl.fields import above_zero, at_least, described, static


def _check_vocabulary(value: int | None) -> str | None:
    return None if value is None or value >= 3 else "must be at least 3, since two are padding and unknown units"


@described
@dataclasses.dataclass(frozen=True, kw_only=True)
class OfTexts(Data):
    """A source whose examples are texts, or may be."""

    level: Literal["auto", "byte", "character", "word", "subword"] = static(
        "auto",
        "the unit of which a text is a sequence: bytes of UTF-8, characters, words with the other signs between them, "
        "or parts of words, which the tokenizers library learns from train (the extra text); auto: "
        "words, and characters where the targets are the units that follow",
        since="0.3.0",
    )
    vocabulary: int | None = static(
        None,
        "how many ids there are at most, of the commonest units of train and of padding and unknown units; none: "
        "20000, for subwords 8000; bytes always have 256",
        check=_check_vocabulary,
        since="0.3.0",
    )
    min_count: int = static(
        1,
        "how often a word or character must occur in train to have an id of its own",
        check=at_least(1),
        since="0.3.0",
    )
    length: int | None = static(
        None,
        "units of one example, beyond which texts are cut, which is said; none: so many that 95 percent of the train "
        "texts are not cut, at most 400; for windows of one text 100",
        check=above_zero,
        since="0.3.0",
    )
    lowercase: bool | None = static(
        None, "whether capitals count as small letters; none: for words they do, otherwise not", since="0.3.0"
    )

    @property
    def wish(self) -> Wish:
        """What the coding is to be like."""
        return Wish(self.level, self.vocabulary, self.min_count, self.length, self.lowercase)
