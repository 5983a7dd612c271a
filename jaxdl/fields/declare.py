"""What the author of a dataclass declares about each of its fields.

A field is *static* (it shapes the program: layer sizes, batch size), *traced* (a number that enters it as data:
learning rate, dropout rate, seed) or a *part* (another dataclass, picked by name from a family). Only the declaration
on the field says so; it also says what the field is for and what depends on it. Flags, the JSON form, compilation and
sweeps all follow it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from jaxdl.errors import unknown

KEY = "jaxdl"

Affects = Literal["programs", "data", "result", "speed", "saving"]
"""What may depend on a field.

- ``"programs"``: it shapes the compiled programs, or enters them as data.
- ``"data"``: it decides which examples are loaded.
- ``"result"``: it decides the result outside the compiled programs, in the loop between their calls.
- ``"speed"``: it shapes a compiled program, and so its speed and memory, but not its results.
- ``"saving"``: it decides when and where the run is saved, and nothing else.

The set is empty when nothing depends on the field, as for the name of an experiment.
"""


@dataclasses.dataclass(frozen=True)
class Family:
    """Interchangeable parts under their names, such as the optimizers.

    Attributes:
        noun: what one member is called in messages, e.g. ``"optimizer"``.
        members: dataclass types by name.
        other: called with a name that is not in `members`, such as a data set of TFDS; returns the type for it and the
            values of some of its fields, or raises `UserError`.
        unnamed: the member that a config means which names no type, as configs did before there was a choice; it is
            still written without its name.
    """

    noun: str
    members: Mapping[str, type]
    other: Callable[[str], tuple[type, Mapping[str, Any]]] | None = None
    unnamed: str | None = None

    def named(self, name: str) -> tuple[type, Mapping[str, Any]]:
        """Returns the type that a name stands for, and the values of the fields that the name sets.

        Raises:
            UserError: no member has that name.
        """
        if name in self.members:
            return self.members[name], {}
        if self.other is not None:
            return self.other(name)
        raise unknown(self.noun, name, self.members)

    def make(self, name: str) -> Any:
        """Returns the member `name`, with defaults for the fields that the name does not set.

        Raises:
            UserError: no member has that name.
        """
        kind, values = self.named(name)
        return kind(**values)

    def name_of(self, value: Any) -> str:
        """Returns the name under which the type of `value` is a member, or its class name when it is not one."""
        for name, member in self.members.items():
            if type(value) is member:
                return name
        return type(value).__name__


@dataclasses.dataclass(frozen=True)
class Declaration:
    """What a field's author said about it; see `static`, `traced` and `part`.

    Attributes:
        help: what the field is for; empty for a field that was declared without one of these functions.
        traced: whether its value enters the compiled programs as data.
        optional: whether zero leaves a traced number out of the programs.
        check: returns what is wrong with a value, or None.
        family: the parts to choose from.
        affects: what depends on the field; None: the same as for the part that holds the field.
        from_data: whether None is replaced by a value that follows from the data.
        only_with: another field's name, and those of its values for which this field has an effect.
        path: whether it is a path, in which a flag may begin with ``~``.
        since: the version that added the field to a class that there was before; empty if it came with the class.
        aliases: other texts for some of its values, such as ``{"bf16": "bfloat16"}``.
    """

    help: str = ""
    traced: bool = False
    optional: bool = False
    check: Callable[[Any], str | None] | None = None
    family: Family | None = None
    affects: frozenset[Affects] | None = None
    from_data: bool = False
    only_with: tuple[str, tuple[str, ...]] | None = None
    path: bool = False
    since: str = ""
    aliases: Mapping[str, str] | None = None


def static(
    default: Any,
    help: str = "",
    *,
    check: Callable[[Any], str | None] | None = None,
    affects: Iterable[Affects] | None = None,
    from_data: bool = False,
    only_with: tuple[str, tuple[str, ...]] | None = None,
    path: bool = False,
    since: str = "",
    aliases: Mapping[str, str] | None = None,
) -> Any:
    """Declares a field that is a constant of the compiled programs, or is read outside of them.

    Args:
        default: the default, or `dataclasses.MISSING`.
        help: what the field is for: the text of ``--help``, and that of the class's docstring (see `described`).
        check: returns what is wrong with a value, or None.
        affects: what depends on the field, see `Affects`; None: what depends on the part that holds it, which for a
            model or an optimizer is the compiled programs.
        from_data: None is replaced by what the data need, such as the number of classes.
        only_with: the name of another field of the class and its values; this field applies only when the other one has
            one of them.
        path: whether it is a path, in which a flag may begin with ``~``.
        since: the version that added the field to a class that there was before: what is named by a digest of the
            recipe leaves the field out where it has its default, so that it keeps its name.
        aliases: other texts for some of its values, by which a flag and a config may give them.
    """
    declaration = Declaration(
        help,
        check=check,
        affects=_affects(affects),
        from_data=from_data,
        only_with=only_with,
        path=path,
        since=since,
        aliases=aliases,
    )
    return _declared(default, declaration)


def traced(
    default: Any,
    help: str = "",
    *,
    optional: bool = False,
    check: Callable[[Any], str | None] | None = None,
    affects: Iterable[Affects] | None = None,
    since: str = "",
) -> Any:
    """Declares a number that enters the compiled program as data, so that another value needs no new compilation.

    Args:
        default: the default.
        help: what the field is for, as for `static`.
        optional: zero leaves the whole operation out of the program (no dropout, no weight decay). Zero is then static;
            code checks for it with `enabled`.
        check: returns what is wrong with a value, or None.
        affects: what depends on the field, as for `static`.
        since: the version that added the field, as for `static`.
    """
    return _declared(default, Declaration(help, True, optional, check, affects=_affects(affects), since=since))


def part(
    family: Family | None,
    help: str,
    *,
    default: Any = dataclasses.MISSING,
    affects: Iterable[Affects] | None = None,
) -> Any:
    """Declares a field that holds another dataclass, whose own fields are reached by a dotted path.

    Args:
        family: the parts to choose from; None: the part always has the type of its default.
        help: what the part is for, as for `static`.
        default: the default.
        affects: what depends on the choice of the part, and on each of its fields that does not declare its own.
    """
    return _declared(default, Declaration(help, family=family, affects=_affects(affects)))


def _affects(affects: Iterable[Affects] | None) -> frozenset[Affects] | None:
    return None if affects is None else frozenset(affects)


def _declared(default: Any, declaration: Declaration) -> Any:
    return dataclasses.field(default=default, metadata={KEY: declaration})


def enabled(value: Any) -> bool:
    """Returns False for None and for the Python number zero, True for everything else, including traced values."""
    return not (value is None or (isinstance(value, int | float) and value == 0))


# Checks that several declarations use.


def at_least(minimum: float) -> Callable[[Any], str | None]:
    """Returns a check that a number, or each number of a sequence, is at least `minimum`."""

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
