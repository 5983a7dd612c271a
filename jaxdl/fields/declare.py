"""Fields of frozen dataclasses: what each means, how it is checked, and whether it shapes the compiled program.

A field is *static* (it shapes the program: layer sizes, batch size), *traced* (a number that enters it as data:
learning rate, dropout rate, seed) or a *part* (another dataclass, picked by name from a family). The declaration on the
field is the only place that says so; flags, the JSON form, compilation and sweeps all follow it.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from jaxdl.errors import UserError, unknown

_KEY = "jaxdl"
# Fields that Linen itself adds to every module: plumbing, never part of a recipe.
_LINEN_FIELDS = frozenset({"parent", "name"})


@dataclasses.dataclass(frozen=True)
class Family:
    """Interchangeable parts under their names, such as the optimizers.

    Attributes:
        noun: what one member is called in messages, e.g. ``"optimizer"``.
        members: dataclass types by name.
        other: makes a part from a name that is not among the members (a data set of TFDS, say) or raises `UserError`.
    """

    noun: str
    members: Mapping[str, type]
    other: Callable[[str], Any] | None = None

    def make(self, name: str) -> Any:
        """Returns the member `name` with its default fields.

        Raises:
            UserError: no member has that name.
        """
        if name in self.members:
            return self.members[name]()
        if self.other is not None:
            return self.other(name)
        raise unknown(self.noun, name, self.members)

    def name_of(self, value: Any) -> str:
        """Returns the name under which the type of `value` is a member, or its class name when it is not one."""
        for name, member in self.members.items():
            if type(value) is member:
                return name
        return type(value).__name__


@dataclasses.dataclass(frozen=True)
class Declaration:
    """What a field's author said about it."""

    help: str = ""
    traced: bool = False
    optional: bool = False
    check: Callable[[Any], str | None] | None = None
    family: Family | None = None


def static(default: Any, help: str, *, check: Callable[[Any], str | None] | None = None) -> Any:
    """Declares a field that shapes the compiled program.

    Args:
        default: the default, or `dataclasses.MISSING`.
        help: one line for ``--help``.
        check: returns what is wrong with a value, or None.
    """
    return dataclasses.field(default=default, metadata={_KEY: Declaration(help, check=check)})


def traced(default: Any, help: str, *, optional: bool = False, check: Callable[[Any], str | None] | None = None) -> Any:
    """Declares a number that enters the compiled program as data, so that another value needs no new compilation.

    Args:
        default: the default.
        help: one line for ``--help``.
        optional: zero leaves the whole operation out of the program (no dropout, no weight decay). Zero is then static:
            code tests for it with `enabled`.
        check: returns what is wrong with a value, or None.
    """
    return dataclasses.field(default=default, metadata={_KEY: Declaration(help, True, optional, check)})


def part(family: Family, help: str, *, default: Any = dataclasses.MISSING) -> Any:
    """Declares a field that holds a member of a family; its own fields are reached by a dotted path."""
    return dataclasses.field(default=default, metadata={_KEY: Declaration(help, family=family)})


def enabled(value: Any) -> bool:
    """Returns False for None and for the Python number zero, True for all else, a traced value included."""
    return not (value is None or (isinstance(value, int | float) and value == 0))


# Checks that several declarations share.


def at_least(minimum: float) -> Callable[[Any], str | None]:
    """Makes a check for numbers, or sequences of numbers, none of which is below `minimum`."""

    def check(value: Any) -> str | None:
        values = value if isinstance(value, tuple) else (value,)
        return None if all(v is None or v >= minimum for v in values) else f"must be at least {minimum}"

    return check


def above_zero(value: Any) -> str | None:
    """Checks that a number is None or greater than zero."""
    return None if value is None or value > 0 else "must be greater than 0"


def fraction(value: Any) -> str | None:
    """Checks that a number is None or in [0, 1)."""
    return None if value is None or 0 <= value < 1 else "must be at least 0 and below 1"


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of one value: where it is, what it may hold, and what it holds.

    Attributes:
        path: dotted path from the root, such as ``"optimizer.learning_rate"``.
        type: resolved annotation.
        value: present value.
        declaration: what the author declared.
    """

    path: str
    type: Any
    value: Any
    declaration: Declaration

    @property
    def is_part(self) -> bool:
        return self.declaration.family is not None or dataclasses.is_dataclass(self.value)

    @property
    def enters_as_data(self) -> bool:
        """Whether the present value is an argument of the compiled program rather than a constant in it."""
        declared = self.declaration
        return declared.traced and self.value is not None and (not declared.optional or enabled(self.value))


def own_fields(value: Any) -> list[Field]:
    """Lists the fields of one dataclass value, without those of its parts; paths have one component."""
    annotations = _annotations(value.__class__)
    skipped = _LINEN_FIELDS if _is_linen(value) else frozenset()
    return [
        Field(f.name, annotations[f.name], getattr(value, f.name), f.metadata.get(_KEY, Declaration()))
        for f in dataclasses.fields(value)
        if f.init and f.name not in skipped
    ]


@functools.cache
def _annotations(cls: type) -> dict[str, Any]:
    """Returns the types of a class's fields, those that it inherits included; kept, since they are text to evaluate."""
    annotations: dict[str, Any] = {}
    for each in reversed(cls.__mro__):
        if dataclasses.is_dataclass(each) and each is not _linen_module():
            annotations |= inspect.get_annotations(each, eval_str=True)
    return annotations


def _linen_module() -> type | None:
    """Returns Linen's `Module`, or None where nothing has imported Linen, so that ``--help`` need not import it."""
    return getattr(sys.modules.get("flax.linen"), "Module", None)


def _is_linen(value: Any) -> bool:
    module = _linen_module()
    return module is not None and isinstance(value, module)


def walk(value: Any, prefix: str = "") -> Iterator[Field]:
    """Yields every field of a tree of dataclasses, parts before what they hold."""
    for field in own_fields(value):
        field = dataclasses.replace(field, path=prefix + field.path)
        yield field
        if dataclasses.is_dataclass(field.value):
            yield from walk(field.value, field.path + ".")


def replace(value: Any, changes: Mapping[str, Any]) -> Any:
    """Returns `value` with the fields at the given dotted paths replaced; Linen modules are cloned.

    Raises:
        KeyError: a path names no field.
    """
    here: dict[str, Any] = {}
    below: dict[str, dict[str, Any]] = {}
    for path, new in changes.items():
        name, _, rest = path.partition(".")
        if rest:
            below.setdefault(name, {})[rest] = new
        else:
            here[name] = new
    names = {field.path for field in own_fields(value)}
    for name in here.keys() | below.keys():
        if name not in names:
            raise KeyError(name)
    for name, inner in below.items():
        here[name] = replace(here.get(name, getattr(value, name)), inner)
    return value.clone(**here) if _is_linen(value) else dataclasses.replace(value, **here)


def traced_values(value: Any) -> dict[str, Any]:
    """Returns the present values of all fields that enter the compiled program as data, by path."""
    return {field.path: field.value for field in walk(value) if field.enters_as_data}


def type_name(annotation: Any) -> str:
    """Returns a type as ``--help`` shows it, such as ``int,int,...`` or ``max|average``."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return "|".join(map(str, arguments))
    if origin in (typing.Union, types.UnionType):
        return "|".join("none" if a is types.NoneType else type_name(a) for a in arguments)
    if origin is tuple:
        return ",".join("..." if a is Ellipsis else type_name(a) for a in arguments)
    return getattr(annotation, "__name__", str(annotation))


def check_value(field: Field, value: Any) -> None:
    """Checks a new value for a field against its type and its declaration.

    Raises:
        UserError: the value has the wrong type, or the declared check rejects it.
    """
    problem = None
    if isinstance(value, float) and not math.isfinite(value):
        problem = "must be a finite number"
    elif not _has_type(value, field.type):
        problem = f"must be {type_name(field.type)}"
        if typing.get_origin(field.type) is Literal and isinstance(value, str):
            raise unknown(f"value for {field.path}:", value, map(str, typing.get_args(field.type)))
    elif field.declaration.check is not None:
        problem = field.declaration.check(value)
    if problem:
        raise UserError(f"{field.path}={show(value)}: {problem}.")


def check_fields(value: Any) -> None:
    """Checks every declared field of a tree of dataclasses, as `check_value` does.

    Raises:
        UserError: a field holds what its declaration does not allow.
    """
    for field in walk(value):
        if field.declaration.help and not field.is_part:  # what an author's own module declares otherwise is its own
            check_value(field, field.value)


def _has_type(value: Any, annotation: Any) -> bool:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return value in arguments
    if origin in (typing.Union, types.UnionType):
        return any(_has_type(value, a) for a in arguments)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if Ellipsis in arguments:
            return all(_has_type(v, arguments[0]) for v in value)
        return len(value) == len(arguments) and all(map(_has_type, value, arguments))
    if annotation is float:
        return isinstance(value, float | int) and not isinstance(value, bool)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    # Of other annotations, such as a user's Sequence[int], nobody here can tell.
    return not isinstance(annotation, type) or isinstance(value, annotation)


def parse(text: str, annotation: Any) -> Any:
    """Reads a value of the given type from the text of a flag: ``"32,64"``, ``"none"``, ``"3e-3"``, ``"true"``.

    Raises:
        ValueError: the text is no value of that type.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        for choice in arguments:
            if text == str(choice):
                return choice
        return text  # check_value answers with the nearest spelling
    if origin in (typing.Union, types.UnionType):
        if types.NoneType in arguments and text.lower() == "none":
            return None
        for kind in (a for a in arguments if a is not types.NoneType):
            try:
                return parse(text, kind)
            except ValueError:
                continue
        raise ValueError(text)
    if origin is tuple:
        inner = text.strip()
        inner = inner[1:-1] if inner.startswith("(") and inner.endswith(")") else inner
        items = inner.rstrip(",").split(",") if inner.strip(" ,") else []
        return tuple(parse(item.strip(), arguments[0]) for item in items)
    if annotation is bool:
        if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise ValueError(text)
        return text.lower() in ("true", "1", "yes")
    if annotation in (int, float, str):
        return annotation(text)
    raise ValueError(text)


def show(value: Any) -> str:
    """Returns a value as a flag would spell it; the inverse of `parse`."""
    if isinstance(value, tuple):
        return ",".join(map(show, value))
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)
