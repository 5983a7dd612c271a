"""Conditions on the values of fields: ``model.features[0] * batch_size <= 4096 and optimizer != sgd``.

The grammar; nothing of it is evaluated by Python:

    condition  := all ("or" all)*              all := one ("and" one)*          one := "not" one | comparison
    comparison := sum (("<" | "<=" | ">" | ">=" | "=" | "==" | "!=") sum)*      as in mathematics, 1 < x < 8
    sum        := product (("+" | "-") product)*
    product    := factor (("*" | "/" | "//" | "%") factor)*
    factor     := "-" factor | value ("[" sum "]")*
    value      := NUMBER | FIELD | TEXT | "true" | "false" | "none" | "len" "(" sum ")" | "(" condition ")"

FIELD is a field's dotted path or last name, and a part, such as the optimizer, is the name of what was chosen. TEXT is
in quotes, or a word that is no field.
"""

from __future__ import annotations

import itertools
import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Lookup = Callable[[str], Any]
Node = Callable[[Lookup], Any]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)(?![\w.])|(?P<name>[A-Za-z_]\w*(?:\.\w+)*)"
    r"|(?P<text>'[^']*'|\"[^\"]*\")|(?P<sign><=|>=|==|!=|//|[-+*/%<>=()\[\]]))",
    re.ASCII,
)
_WORDS = {"true": True, "false": False, "none": None}
_ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_SAME = {"=": operator.eq, "==": operator.eq, "!=": operator.ne}
_ARITHMETIC = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}
_RESERVED = ("and", "or", "not", "len")
_LONGEST, _DEEPEST, _MOST_DIGITS = 1000, 50, 18


@dataclass(frozen=True)
class Condition:
    """A condition that was read.

    Attributes:
        text: as it was written.
        fields: the paths of the fields that it names.
        texts: each text that a field is compared with, beside the field's path.
        node: computes it.
    """

    text: str
    fields: tuple[str, ...]
    texts: tuple[tuple[str, str], ...]
    node: Node

    def holds(self, lookup: Lookup) -> bool:
        """Returns whether it holds.

        Args:
            lookup: returns a field's value by its path; raises ValueError where there is no such field.

        Raises:
            ValueError: it cannot be computed, for example because it divides by zero; the text says why.
        """
        try:
            return _truth(self.node(lookup))
        except (ZeroDivisionError, OverflowError) as error:
            raise ValueError(str(error)) from None


def parse_condition(text: str, resolve: Callable[[str], str | None]) -> Condition:
    """Reads a condition.

    Args:
        text: in the grammar above.
        resolve: returns the path of the field of a name; None for a word that is no field.

    Raises:
        ValueError: it is not in the grammar; the text says what is wrong.
    """
    parser = _Parser(_tokens(text), resolve)
    node = parser.condition()
    if parser.place < len(parser.tokens):
        raise ValueError(f"{parser.tokens[parser.place][1]!r} does not belong there")
    if not parser.fields:
        raise ValueError("it names no field")
    return Condition(text.strip(), tuple(dict.fromkeys(parser.fields)), tuple(parser.texts), node)


def _tokens(text: str) -> list[tuple[str, str]]:
    if len(text) > _LONGEST:
        raise ValueError(f"it has more than {_LONGEST} characters")
    found, place, end = [], 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            raise ValueError(f"{text[place:].split()[0]!r} is not understood")
        found.append((str(match.lastgroup), match[0].strip()))
        place = match.end()
    return found


class _Parser:
    """Reads tokens from left to right; each method is a line of the grammar."""

    def __init__(self, tokens: Sequence[tuple[str, str]], resolve: Callable[[str], str | None]):
        self.tokens = tokens
        self.place = 0
        self.fields: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self._resolve = resolve
        self._depth = 0

    def condition(self) -> Node:
        return self._logical("or", lambda: self._logical("and", self._one))

    def _logical(self, word: str, part: Callable[[], Node]) -> Node:
        parts = [part()]
        while self._take(word):
            parts.append(part())
        if len(parts) == 1:
            return parts[0]
        # The later ones are computed only where they are needed, so that "len(x) > 1 and x[1] > 8" is safe.
        whole = any if word == "or" else all
        return lambda lookup: whole(_truth(each(lookup)) for each in parts)

    def _one(self) -> Node:
        if self._take("not"):
            inner = self._nested(self._one)
            return lambda lookup: not _truth(inner(lookup))
        return self._comparison()

    def _comparison(self) -> Node:
        sides, signs = [self._side()], []
        while sign := self._take(*_ORDER, *_SAME):
            signs.append(sign)
            sides.append(self._side())
        for (_, one), (_, other) in itertools.pairwise(sides):
            for field, word in ((one, other), (other, one)):
                if field is not None and field[0] == "field" and word is not None and word[0] == "text":
                    self.texts.append((field[1], word[1]))
        nodes = [node for node, _ in sides]
        if not signs:
            return nodes[0]

        def compare(lookup: Lookup) -> bool:
            values = [node(lookup) for node in nodes]
            return all(_compare(sign, *pair) for sign, pair in zip(signs, itertools.pairwise(values), strict=True))

        return compare

    def _side(self) -> tuple[Node, tuple[str, str] | None]:
        """Returns a side of a comparison, and where it is a single field or text, which one."""
        begin, fields = self.place, len(self.fields)
        node = self._sum()
        alone = self.place == begin + 1
        kind, word = self.tokens[begin]
        if alone and len(self.fields) > fields:
            return node, ("field", self.fields[-1])
        if alone and (kind == "text" or (kind == "name" and word.lower() not in _WORDS)):
            return node, ("text", word.strip("'\""))
        return node, None

    def _sum(self) -> Node:
        return self._chain(("+", "-"), lambda: self._chain(("*", "/", "//", "%"), self._factor))

    def _chain(self, signs: tuple[str, ...], part: Callable[[], Node]) -> Node:
        node = part()
        while sign := self._take(*signs):
            node = _operation(_ARITHMETIC[sign], sign, node, part())
        return node

    def _factor(self) -> Node:
        if self._take("-"):
            inner = self._nested(self._factor)
            return lambda lookup: -_number(inner(lookup), "-")
        node = self._value()
        while self._take("["):
            node = _indexed(node, self._nested(self._sum))
            self._need("]")
        return node

    def _value(self) -> Node:
        if self.place == len(self.tokens):
            raise ValueError("it ends too early")
        kind, word = self.tokens[self.place]
        self.place += 1
        if kind == "number":
            return _constant(_read_number(word))
        if kind == "text":
            return _constant(word[1:-1])
        if word == "(":
            node = self._nested(self.condition)
            self._need(")")
            return node
        if word == "len":
            self._need("(")
            node = self._nested(self._sum)
            self._need(")")
            return lambda lookup: _length(node(lookup))
        if kind != "name" or word in _RESERVED:
            raise ValueError(f"{word!r} does not belong there")
        return self._word(word)

    def _word(self, word: str) -> Node:
        if word.lower() in _WORDS:
            return _constant(_WORDS[word.lower()])
        path = self._resolve(word)
        if path is None:
            return _constant(word)
        self.fields.append(path)
        return lambda lookup: lookup(path)

    def _nested(self, part: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError("it is nested too deeply")
        node = part()
        self._depth -= 1
        return node

    def _take(self, *words: str) -> str:
        """Returns the next token and goes on if it is one of the words; otherwise an empty text."""
        if self.place < len(self.tokens) and self.tokens[self.place][0] in ("name", "sign"):
            word = self.tokens[self.place][1]
            if word in words:
                self.place += 1
                return word
        return ""

    def _need(self, word: str) -> None:
        if not self._take(word):
            raise ValueError(f"{word!r} is missing")


def _constant(value: Any) -> Node:
    return lambda lookup: value


def _operation(function: Callable[[Any, Any], Any], sign: str, one: Node, other: Node) -> Node:
    return lambda lookup: function(_number(one(lookup), sign), _number(other(lookup), sign))


def _indexed(node: Node, index: Node) -> Node:
    def value(lookup: Lookup) -> Any:
        items, place = node(lookup), index(lookup)
        if not isinstance(items, tuple) or not isinstance(place, int) or isinstance(place, bool):
            raise ValueError("[...] takes a whole number, and stands behind a list")
        if not -len(items) <= place < len(items):
            raise ValueError(f"a list of {len(items)} has no [{place}]; ask for len(...) first")
        return items[place]

    return value


def _compare(sign: str, one: Any, other: Any) -> bool:
    if sign in _SAME:
        return bool(_SAME[sign](one, other))
    return bool(_ORDER[sign](_number(one, sign), _number(other, sign)))


def _number(value: Any, sign: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{sign} needs numbers, not {value!r}")
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false; compare it with something")
    return value


def _length(value: Any) -> int:
    if not isinstance(value, tuple | str):
        raise ValueError(f"len(...) needs a list, not {value!r}")
    return len(value)


def _read_number(word: str) -> int | float:
    if word.isdigit():
        if len(word) > _MOST_DIGITS:
            raise ValueError(f"{word} is too large")
        return int(word)
    number = float(word)
    if not math.isfinite(number):
        raise ValueError(f"{word} is too large")
    return number
