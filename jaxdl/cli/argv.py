"""A command line as a list of flags, before the possible flags are known."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from absl import flags

from jaxdl.errors import UserError

_NUMBER = re.compile(r"-\.?\d")


@dataclasses.dataclass(frozen=True)
class Token:
    """One flag, or one argument that does not belong to a flag.

    Attributes:
        name: name of the flag, without dashes; empty for other arguments.
        value: its value; None for a flag without one.
        arguments: the arguments that it was read from.
    """

    name: str
    value: str | None
    arguments: tuple[str, ...]


def program() -> list[str]:
    """Returns how ``python`` was called to start this process: the part after ``python`` and before the arguments.

    The command ``jaxdl`` is ``python -m jaxdl``.
    """
    return ["-m", "jaxdl"] if Path(sys.argv[0]).name in ("__main__.py", "jaxdl", "jaxdl.exe") else ["launch.py"]


def spelled_out(arguments: Sequence[str]) -> list[str]:
    """Returns a command line with abbreviations expanded: ``-h``, and the files of ``--flagfile``.

    Raises:
        UserError: such a file cannot be read, or ``--undefok`` is given.
    """
    try:
        given = flags.FlagValues().read_flags_from_files(list(arguments), force_gnu=False)
    except flags.Error as error:
        raise UserError(" ".join(str(error).split())) from None
    if any(argument.lstrip("-").startswith("undefok") for argument in given):
        raise UserError("--undefok is not supported: an unknown flag is always an error.")
    return ["--help" if argument == "-h" else argument for argument in given]


def tokens(arguments: Sequence[str], switches: Collection[str]) -> list[Token]:
    """Splits a command line into its flags, in the forms of absl: ``--x=1``, ``--x 1``, ``--x``, ``--nox``, ``-x``.

    Arguments after ``--`` do not belong to a flag.

    Args:
        arguments: the command line.
        switches: names of flags that take no value from the next argument. For other flags the next argument is the
            value, unless that is a flag itself.
    """
    found: list[Token] = []
    rest = list(arguments)
    while rest:
        first = rest.pop(0)
        if first == "--":
            return [*found, Token("", None, (first,)), *(Token("", None, (argument,)) for argument in rest)]
        name, equals, value = first.lstrip("-").partition("=")
        if not first.startswith("-") or not name:
            found.append(Token("", None, (first,)))
        elif equals:
            found.append(Token(name, value, (first,)))
        elif _stands_alone(name, switches) or not rest or (rest[0].startswith("-") and not _NUMBER.match(rest[0])):
            found.append(Token(name, None, (first,)))
        else:
            found.append(Token(name, rest[0], (first, rest.pop(0))))
    return found


def without(found: Sequence[Token], names: Collection[str], switches: Collection[str]) -> list[str]:
    """Returns the arguments of a command line without some of its flags.

    Args:
        found: the command line.
        names: names of the flags to leave out.
        switches: as for `tokens`; they are also left out in the form ``--nox``.
    """
    left_out = {*names, *(f"no{name}" for name in set(names) & set(switches))}
    return [argument for token in found if token.name not in left_out for argument in token.arguments]


def _stands_alone(name: str, switches: Collection[str]) -> bool:
    return name in switches or (name.startswith("no") and name.removeprefix("no") in switches)
