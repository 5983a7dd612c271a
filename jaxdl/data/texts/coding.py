"""How texts become ids and ids become texts: part of a data set's spec, so that a run predicts with what it learned."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Level = Literal["byte", "character", "word", "subword"]
PADDING, UNKNOWN = 0, 1
SPECIAL = ("<padding>", "<unknown>")
"""What the first two ids stand for, at every level but that of bytes: their ids are the bytes themselves."""
BYTES = 256

# A word is a run of letters and digits, with apostrophes inside (don't); any other sign but white space is a word, too.
_WORDS = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]")
_WORDS_AND_LINES = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]|\n")
_BEFORE_A_SIGN, _NEAR_A_LINE_END = re.compile(r" ([.,;:!?)\]}])"), re.compile(r" ?\n ?")


@dataclass(frozen=True)
class TextCoding:
    """Turns texts into ids and back.

    Attributes:
        level: the unit of which a text is a sequence.
        tokens: the text of each id from 2 on, the commonest first; of subwords as `tokenizers` writes them; empty for
            bytes, whose ids are the bytes.
        length: steps of one example.
        lowercase: whether capitals count as small letters.
        following: whether the targets are the ids that follow, as for a language model. The ends of lines are then
            units of their own at the level of words, and are otherwise white space.
        subwords: the `tokenizers` library's own JSON form of its tokenizer, for subwords; otherwise empty.
        encoding: how files of text are encoded, such as ``utf-8``.
        column: the column of a table that holds texts.
    """

    level: Level
    tokens: tuple[str, ...]
    length: int
    lowercase: bool = False
    following: bool = False
    subwords: str = ""
    encoding: str = "utf-8"
    column: str = "text"

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> TextCoding:
        """Rebuilds it from the JSON form of `dataclasses.asdict`, in which tuples have become lists."""
        return cls(**{**fields, "tokens": tuple(fields["tokens"])})

    @property
    def size(self) -> int:
        """The number of ids, those of padding and of unknown units included."""
        return BYTES if self.level == "byte" else len(SPECIAL) + len(self.tokens)

    @property
    def units(self) -> str:
        """What its units are called."""
        return f"{self.level}s"

    @property
    def has_unknown(self) -> bool:
        """Whether units may be unknown: all bytes are known, and so is what they make up."""
        return self.level in ("character", "word")

    @property
    def dtype(self) -> str:
        """The smallest dtype that holds all ids."""
        return "uint8" if self.size <= 2**8 else "uint16" if self.size <= 2**16 else "int32"

    @property
    def names(self) -> tuple[str, ...]:
        """What each id stands for, to be read by a person."""
        if self.level == "byte":
            return tuple(chr(byte) if 32 < byte < 127 else f"0x{byte:02x}" for byte in range(BYTES))
        shown = (token if token.isprintable() and not token.isspace() else repr(token) for token in self.tokens)
        return (*SPECIAL, *shown)

    def ids(self, text: str) -> np.ndarray:
        """Returns the ids of a whole text, (units,) int32; `UNKNOWN` for units without an id of their own."""
        if self.level == "byte":
            lowered = text.lower() if self.lowercase else text
            return np.frombuffer(lowered.encode("utf-8", "surrogatepass"), np.uint8).astype(np.int32)
        if self.level == "subword":
            lowered = text.lower() if self.lowercase else text
            return np.array(self._tokenizer.encode(lowered, add_special_tokens=False).ids, np.int32)
        numbers = self._numbers
        found = units(text, self.level, self.lowercase, self.following)
        return np.array([numbers.get(unit, UNKNOWN) for unit in found], np.int32)

    def ids_of(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Returns the ids of each of several texts; see `ids`."""
        if self.level != "subword":
            return [self.ids(text) for text in texts]
        lowered = [text.lower() if self.lowercase else text for text in texts]
        found = self._tokenizer.encode_batch_fast(lowered, add_special_tokens=False)
        return [np.array(each.ids, np.int32) for each in found]

    def padded(self, ids: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Returns the ids of several texts, cut to `length` units and padded.

        Returns:
            (texts, length) of `dtype`, and how many of each are valid, (texts,) int32.
        """
        inputs = np.full((len(ids), self.length), PADDING, self.dtype)
        lengths = np.array([min(len(each), self.length) for each in ids], np.int32)
        for row, each in zip(inputs, ids, strict=True):
            row[: min(len(each), self.length)] = each[: self.length]
        return inputs, lengths

    def text(self, ids: Sequence[int] | np.ndarray) -> str:
        """Returns the text of ids; words stand apart by spaces, of which those of the original are not known."""
        numbers = [int(each) for each in ids]
        if self.level == "byte":
            return bytes(numbers).decode("utf-8", "replace")
        if self.level == "subword":
            return str(self._tokenizer.decode(numbers, skip_special_tokens=False))
        tokens = (*SPECIAL, *self.tokens)
        found = [tokens[number] for number in numbers]
        if self.level == "character":
            return "".join(found)
        text = _NEAR_A_LINE_END.sub("\n", " ".join(found))
        return _BEFORE_A_SIGN.sub(r"\1", text)

    @functools.cached_property
    def _numbers(self) -> Mapping[str, int]:
        return {token: number for number, token in enumerate(self.tokens, len(SPECIAL))}

    @functools.cached_property
    def _tokenizer(self) -> Any:
        from jaxdl.data.texts.subwords import tokenizer_of

        return tokenizer_of(self.subwords)


def units(text: str, level: Level, lowercase: bool, lines: bool) -> Sequence[str]:
    """Returns the characters or the words of a text.

    Args:
        text: the text.
        level: ``"character"`` or ``"word"``.
        lowercase: whether capitals become small letters.
        lines: whether the end of a line is a word of its own.
    """
    text = text.lower() if lowercase else text
    if level == "character":
        return text
    return (_WORDS_AND_LINES if lines else _WORDS).findall(text)
