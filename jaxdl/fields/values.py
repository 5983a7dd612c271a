"""The value of a field: its type's name, its check, and its text in a flag."""

from __future__ import annotations

import math
import types
import typing
from typing import Any, Literal

from jaxdl.errors import UserError, brief, unknown
from jaxdl.fields.tree import Field, walk, walk_given

_BITS_OF_A_SIZE = 31


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


def needed(annotation: Any) -> str:
    """Returns what a value of a type is in a message, such as ``int`` or ``a list of int, such as 32 or 32,64``."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is tuple and Ellipsis in arguments:
        example = {int: ", such as 32 or 32,64", float: ", such as 0.5 or 0.5,1.0"}.get(arguments[0], "")
        return f"a list of {type_name(arguments[0])}{example}"
    if origin in (typing.Union, types.UnionType) and any(typing.get_origin(a) is tuple for a in arguments):
        return " or ".join("none" if a is types.NoneType else needed(a) for a in arguments)
    return type_name(annotation)


def check_value(field: Field, value: Any) -> None:
    """Checks a new value for a field against its type and its declaration.

    Raises:
        UserError: the value has the wrong type, or the declared check rejects it.
    """
    problem = None
    if isinstance(value, float) and not math.isfinite(value):
        problem = "must be a finite number"
    elif not _has_type(value, field.type):
        problem = f"must be {needed(field.type)}"
        if isinstance(value, list):
            problem += "; from Python a tuple, (...)"
        elif hasattr(value, "item") and not getattr(value, "ndim", 1):
            raise UserError(
                f"{field.path}={value.item()!r}: must be {needed(field.type)} of Python, not {brief(value)}."
            )
        if typing.get_origin(field.type) is Literal and isinstance(value, str):
            raise unknown(f"value for {field.path}:", value, map(str, typing.get_args(field.type)))
    elif field.declaration.check is not None:
        problem = field.declaration.check(value)
    if problem is None and "programs" in field.affects and not field.declaration.traced and _is_too_large(value):
        problem = f"must be below 2**{_BITS_OF_A_SIZE}"
    if problem:
        shown = show(value) if isinstance(value, str | int | float | tuple) or value is None else brief(value)
        raise UserError(f"{field.path}={shown}: {problem}.")


def _is_too_large(value: Any) -> bool:
    """Returns whether a whole number, or one of several, is larger than an array's axis can be."""
    numbers = value if isinstance(value, tuple) else (value,)
    return any(isinstance(number, int) and abs(number) >= 2**_BITS_OF_A_SIZE for number in numbers)


def check_given(value: Any) -> None:
    """Checks those declared fields of a tree of dataclasses that do not have their defaults, each alone.

    What an author gives is refused where it is given. Arrays are left out, since a number may be one in a compiled
    program, and so is what depends on several fields, since they may be given one after another: see `check_fields`.

    Raises:
        UserError: a field holds what its declaration does not allow.
    """
    for field in walk_given(value):
        if field.declaration.help and not field.is_part and not hasattr(field.value, "dtype"):
            check_value(field, field.value)


def check_fields(value: Any) -> None:
    """Checks every declared field of a tree of dataclasses, as `check_value` does.

    Raises:
        UserError: a field holds what its declaration does not allow, or has no effect with the other fields' values.
    """
    fields = {field.path: field for field in walk(value)}
    for field in fields.values():
        if field.declaration.help and not field.is_part:  # fields that were declared in another way are not checked
            check_value(field, field.value)
    for field in fields.values():
        if field.declaration.only_with is not None and field.value != field.default:
            name, possible = field.declaration.only_with
            beside = field.path[: field.path.rfind(".") + 1] + name
            if fields[beside].value not in possible:
                raise UserError(f"{field.path}={show(field.value)} only applies to {beside}={' or '.join(possible)}.")


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
    # Other annotations, such as a user's Sequence[int], are not checked.
    return not isinstance(annotation, type) or isinstance(value, annotation)


def parse(text: str, annotation: Any) -> Any:
    """Reads a value of the given type from the text of a flag: ``"32,64"``, ``"none"``, ``"3e-3"``, ``"true"``.

    Raises:
        ValueError: the text is not a value of that type.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        for choice in arguments:
            if text == str(choice):
                return choice
        return text  # check_value suggests the nearest spelling
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
        if Ellipsis in arguments or len(items) != len(arguments):  # of a wrong number of items `check_value` says so
            return tuple(parse(item.strip(), arguments[0]) for item in items)
        return tuple(parse(item.strip(), kind) for item, kind in zip(items, arguments, strict=True))
    if annotation is bool:
        if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise ValueError(text)
        return text.lower() in ("true", "1", "yes")
    if annotation in (int, float, str):
        return annotation(text)
    raise ValueError(text)


def standard(field: Field, value: Any) -> Any:
    """Returns a value for a field, and where it is another name of one, that one: ``bfloat16`` for ``bf16``."""
    aliases = field.declaration.aliases
    return aliases.get(str(value), value) if aliases else value


def show(value: Any) -> str:
    """Returns a value as it is written in a flag; the inverse of `parse`."""
    if isinstance(value, tuple):
        return ",".join(map(show, value))
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)
