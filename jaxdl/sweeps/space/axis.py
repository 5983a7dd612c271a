"""The values of one field in a sweep, as users write them: ``1e-4,1e-3``, ``0:5``, ``log(1e-4,1e-1)``."""

from __future__ import annotations

import math
import re
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jaxdl.errors import UserError
from jaxdl.fields import Field, check_value, needed, parse, show, standard, type_name
from jaxdl.sweeps.space.limits import Limit
from jaxdl.sweeps.space.ranges import RANGES, Range, read_range
from jaxdl.sweeps.space.spellings import in_our_words, of_optuna, split

_CALL = re.compile(rf"\s*({'|'.join(RANGES)}|choice|repeat)\s*\((.*)\)\s*", re.ASCII | re.DOTALL)
_OTHER_CALL = re.compile(r"\s*[a-z]\w*\s*\(.*\)\s*", re.ASCII | re.DOTALL | re.IGNORECASE)
_COUNT = re.compile(r"\s*(-?\d+):(-?\d+)(?::(-?\d+))?\s*", re.ASCII)
_TIMES = re.compile(r"\s*int\(\s*(\d{1,4})\s*,\s*(\d{1,4})\s*\)\s*", re.ASCII)
_FORMS = "1e-4,1e-3 or 0:5 or log(1e-4,1e-1), uniform(0,0.5), int(16,256,step=16), choice(32,64)"
# A range such as 0:1000000000 is a typing mistake and would fill the memory.
_MOST_VALUES = 10_000
_MOST_DIGITS = 18


@dataclass(frozen=True)
class Choices:
    """A finite list of values.

    Attributes:
        values: values of the field's type; for a part, such as the optimizer, the names of its family's members.
    """

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Axis:
    """One field and the values that a sweep gives it.

    Attributes:
        path: the field's dotted path.
        spec: the values as a user would write them.
        values: the parsed values.
        listed: whether the field holds a list; a number drawn from a `Range` then becomes a list of one.
        only_if: the condition under which it is varied at all; None: always.
        key: what tells it from earlier axes of the same field; empty: it is the first one.
    """

    path: str
    spec: str
    values: Choices | Range
    listed: bool = False
    only_if: Limit | None = None
    key: str = ""

    @property
    def name(self) -> str:
        """What tells it from all other axes of a space: the path of its field for the first of its axes."""
        return self.key or self.path

    @property
    def count(self) -> float:
        """How many values there are; infinite for a range of real numbers."""
        if isinstance(self.values, Choices):
            return len(self.values.values)
        return self.values.count

    def at(self, place: int) -> Any:
        """Returns one of a finite number of values by its place, 0 to `count` - 1."""
        if isinstance(self.values, Choices):
            return self.values.values[place]
        return self.value(self.values.at(place))

    def read(self, value: Any) -> Any:
        """Returns a value from its text, where it is one; a number that is no text is in the field's type.

        Raises:
            UserError: the text is none of the field's values.
        """
        if isinstance(self.values, Choices):
            texts = {show(each): each for each in self.values.values}
            return texts.get(value, value) if isinstance(value, str) else _same_kind(value, self.values.values)
        try:
            return self.value(float(value) if not self.values.whole else int(value))
        except (TypeError, ValueError):
            raise UserError(f"{self.path}={value}: must be a number of {self.spec}.") from None

    def holds(self, value: Any) -> bool:
        """Returns whether a value is one of those that the sweep gives the field."""
        if isinstance(self.values, Choices):
            return value in self.values.values
        number = value[0] if self.listed and isinstance(value, tuple) and len(value) == 1 else value
        if not isinstance(number, int | float) or not self.values.low <= number <= self.values.high:
            return False
        return self.values.nearest(number) == number

    def spans(self, value: Any) -> bool:
        """Returns whether a value is listed, or lies between the bounds of the range, on a step or not."""
        if isinstance(self.values, Choices):
            return value in self.values.values
        number = value[0] if self.listed and isinstance(value, tuple) else value
        low, high = self.values.low, self.values.high
        return low <= number <= high or math.isclose(number, low) or math.isclose(number, high)

    def value(self, drawn: Any) -> Any:
        """Returns the field's value for a drawn one: a value of `Choices`, or a number of a `Range`."""
        if isinstance(self.values, Choices):
            return drawn
        number = self.values.number(drawn)
        return (number,) if self.listed else number


def parse_axis(field: Field, spec: str) -> Axis:
    """Reads the values of one field.

    A list (``32,64``; if the field itself is a list, values are in parentheses, ``(64),(128,64)``, and a single number
    is a list of one), whole numbers as in Python's ``range`` (``0:5``, ``0:10:2``, without the end), or a distribution:
    ``log(LOW,HIGH)``, ``uniform(LOW,HIGH)``, ``int(LOW,HIGH)`` with the end, these two also with ``step=STEP``, and
    ``choice(VALUE,...)``; of a field that is a list also ``repeat(int(1,4),32,64)``, each value once to four times.
    Other spellings that are clear are taken as well; see `jaxdl.sweeps.space.spellings`.

    Args:
        field: the field with its full path.
        spec: the text after ``--sweep=FIELD=``.

    Raises:
        UserError: it is none of these, it is empty, or a value does not fit the field.
    """
    element = _element(field.type)
    whole = _number_type(element if element is not None else field.type) is int
    spec = in_our_words(spec, whole=whole, listed=element is not None)
    call, count = _CALL.fullmatch(spec), _COUNT.fullmatch(spec)
    if call is not None and _closes_last(call[2]):
        name, inside = call[1], call[2]
        if name == "repeat":
            return _repeat_axis(field, spec, split(inside))
        return _list_axis(field, spec, split(inside)) if name == "choice" else _range_axis(field, spec, name, inside)
    if count is not None:
        if max(map(len, filter(None, count.groups()))) > _MOST_DIGITS:
            raise _wrong(field, spec, "the numbers are too large")
        start, stop, step = int(count[1]), int(count[2]), int(count[3] or 1)
        if step == 0:
            raise _wrong(field, spec, "a step of 0 never ends")
        numbers = range(start, stop, step)
        if len(numbers) > _MOST_VALUES:
            raise _wrong(field, spec, f"{len(numbers):,} values are too many to list; write int({start},{stop - 1})")
        return _list_axis(field, spec, map(str, numbers))
    if _OTHER_CALL.fullmatch(spec) is not None and field.type is not str:
        raise _wrong(field, spec, f"write {_FORMS}")
    return _list_axis(field, spec, split(spec))


def axis_of(field: Field, values: Any) -> Axis:
    """Returns the axis for a value from Python: a text as in `parse_axis`, one of Optuna's distributions, or an
    iterable of the field's values.

    Raises:
        UserError: a value does not fit the field.
    """
    if isinstance(values, str):
        return parse_axis(field, values)
    if (spec := of_optuna(values, _shown)) is not None:
        return parse_axis(field, spec)
    if not isinstance(values, Iterable):
        values = (values,)
    plain = [_plain(value, field.type) for value in values]
    return _checked(field, ",".join(map(_shown, plain)), plain)


def value_of(field: Field, value: Any) -> Any:
    """Returns one value of a field from its text or from Python, checked.

    Raises:
        UserError: it does not fit the field.
    """
    axis = _list_axis(field, value, [value]) if isinstance(value, str) else axis_of(field, [value])
    return axis.at(0)


def _same_kind(value: Any, possible: tuple[Any, ...]) -> Any:
    """Returns a value from Python as it stands among the possible ones: 64 as (64,) and 1 as 1.0."""
    one = (value,) if isinstance(possible[0], tuple) and not isinstance(value, tuple | list) else value
    one = tuple(one) if isinstance(one, list) else one
    return next((each for each in possible if each == one), one)


def _plain(value: Any, annotation: Any) -> Any:
    """Returns a value in Python's own types, as in the field: a NumPy number as a number, a list as a tuple."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    holds_list = _element(annotation) is not None
    if isinstance(value, list | tuple):
        return tuple(value)
    if holds_list and value is not None:
        return (value,)
    return float(value) if annotation is float and type(value) is int else value


def _list_axis(field: Field, spec: str, items: Iterable[str]) -> Axis:
    values = []
    for item in items:
        if not item:
            raise _wrong(field, spec, f"a value is empty; write {_FORMS}")
        values.append(_parsed(field, spec, item))
    return _checked(field, spec, values)


def _parsed(field: Field, spec: str, item: str) -> Any:
    if field.declaration.family is not None:
        return item
    try:
        return standard(field, parse(item, field.type))
    except ValueError:
        raise _wrong(field, spec, f"{item!r} must be {needed(field.type)}") from None


def _checked(field: Field, spec: str, values: list[Any]) -> Axis:
    """Returns the axis of listed values, each of them checked."""
    if not values:
        raise _wrong(field, spec, f"it has no values; write {_FORMS}")
    seen: set[Any] = set()
    for value in values:
        if field.declaration.family is not None:
            if not isinstance(value, str):
                members = ", ".join(field.declaration.family.members)
                raise _wrong(field, spec, f"give names from {members}, not {value!r}")
            field.declaration.family.make(value)
        else:
            check_value(field, value)
        if value in seen:
            raise _wrong(field, spec, f"{show(value)} is listed twice")
        seen.add(value)
    return Axis(field.path, spec.strip(), Choices(tuple(values)))


def _range_axis(field: Field, spec: str, kind: str, inside: str) -> Axis:
    element = _element(field.type)
    number = _number_type(element if element is not None else field.type)
    if number is None or field.declaration.family is not None:
        raise _wrong(field, spec, f"{field.path} is {type_name(field.type) or 'a choice'}, not a number; give a list")
    try:
        values = read_range(kind, split(inside), number)
    except ValueError as error:
        raise _wrong(field, spec, str(error)) from None
    axis = Axis(field.path, spec.strip(), values, element is not None)
    for bound in (values.low, values.high):
        check_value(field, axis.value(bound))
    return axis


def _repeat_axis(field: Field, spec: str, items: list[str]) -> Axis:
    """Returns the lists that repeat one of some values some times: layers of the same width."""
    times = _TIMES.fullmatch(items[0]) if items else None
    if _element(field.type) is None or times is None or len(items) < 2:
        raise _wrong(field, spec, "write repeat(int(1,4),32,64) for a field that is a list: how often, then the values")
    least, most = int(times[1]), int(times[2])
    if not 1 <= least <= most:
        raise _wrong(field, spec, f"int({least},{most}) must begin at 1 or later, and not end before")
    inner = parse_axis(field, ",".join(items[1:]))
    if not math.isfinite(inner.count) or inner.count * (most - least + 1) > _MOST_VALUES:
        raise _wrong(field, spec, f"these are more than {_MOST_VALUES:,} lists; give a range with steps, or fewer")
    single = [inner.at(place) for place in range(int(inner.count))]
    return _checked(field, spec, [each * count for count in range(least, most + 1) for each in single])


def _number_type(annotation: Any) -> type | None:
    """Returns int or float if the annotation is that type, with or without None."""
    annotation = _without_none(annotation)
    return annotation if annotation in (int, float) else None


def _element(annotation: Any) -> Any:
    """Returns the type of the elements of a field that holds a list, with or without None; otherwise None."""
    annotation = _without_none(annotation)
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is tuple else None


def _without_none(annotation: Any) -> Any:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        kinds = [a for a in typing.get_args(annotation) if a is not types.NoneType]
        return kinds[0] if len(kinds) == 1 else None
    return annotation


def _closes_last(inside: str) -> bool:
    """Returns whether parentheses match, so that the text is the inside of one pair, unlike ``(1),log(2``."""
    depth = 0
    for character in inside:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0


def _shown(value: Any) -> str:
    return f"({show(value)})" if isinstance(value, tuple) else show(value)


def _wrong(field: Field, spec: str, problem: str) -> UserError:
    return UserError(f"--sweep={field.path}={spec}: {problem}.")
