"""Which units have an id: the commonest of train."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from jaxdl.data.texts.coding import SPECIAL, Level, TextCoding, units
from jaxdl.data.texts.subwords import learned
from jaxdl.errors import UserError

MOST_STEPS = 400
_SHARE = 95  # per cent of the texts of train that are not cut
_SIZES = {"word": 20_000, "character": 20_000, "subword": 8_000}


@dataclass(frozen=True)
class Wish:
    """What a coding is to be like; see the fields of `jaxdl.data.texts.fields.OfTexts`."""

    level: Level | Literal["auto"]
    vocabulary: int | None = None
    min_count: int = 1
    length: int | None = None
    lowercase: bool | None = None
    encoding: str = "utf-8"
    column: str = "text"


def coding_of(texts: Sequence[str], wish: Wish, following: bool = False) -> TextCoding:
    """Returns the coding that follows from the texts of train, as yet without a length.

    Units are ordered by how often they occur, the commonest first, and those that occur equally often as text.

    Args:
        texts: those of train.
        wish: what it is to be like.
        following: whether the targets are the ids that follow.

    Raises:
        UserError: no unit occurs often enough, or subwords cannot be had.
    """
    level: Level = ("character" if following else "word") if wish.level == "auto" else wish.level
    lowercase = level == "word" if wish.lowercase is None else wish.lowercase
    tokens, subwords = tuple[str, ...](), ""
    if level == "subword":
        lowered = (text.lower() for text in texts) if lowercase else iter(texts)
        tokens, subwords = learned(lowered, wish.vocabulary or _SIZES[level])
    elif level != "byte":
        tokens = _commonest(texts, wish, level, lowercase, following)
    return TextCoding(level, tokens, 0, lowercase, following, subwords, wish.encoding, wish.column)


def _commonest(texts: Sequence[str], wish: Wish, level: Level, lowercase: bool, lines: bool) -> tuple[str, ...]:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(units(text, level, lowercase, lines))
    known = [(-count, unit) for unit, count in counts.items() if count >= wish.min_count]
    if not known:
        raise UserError(f"data.min_count={wish.min_count}: no {level} of train occurs so often; give a smaller number.")
    size = wish.vocabulary or _SIZES[level]
    return tuple(unit for _, unit in sorted(known)[: max(1, size - len(SPECIAL))])


def steps_of(ids: Sequence[np.ndarray]) -> int:
    """Returns the smallest length that 95 per cent of the texts of train do not exceed, at most 400."""
    longest = np.percentile([len(each) for each in ids], _SHARE, method="inverted_cdf")
    return max(1, min(MOST_STEPS, int(longest)))
