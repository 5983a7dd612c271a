"""The one exception that means: the user can mend this."""

from __future__ import annotations

from collections.abc import Iterable


def printable(text: str) -> str:
    """Returns a text in which all that could steer a terminal is spelled out, such as ``\\x1b``."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class UserError(Exception):
    """A cause the user can mend, in one line that names it and the way out.

    What a message quotes, from a command line or a file, is made `printable`. ``launch.py`` prints the message without
    a traceback and exits with status 2.
    """

    def __init__(self, message: str):
        super().__init__(printable(message))


def nearest(given: str, possible: Iterable[str]) -> str | None:
    """Returns the possible name that is spelled most like the given one; None where none is spelled like it."""
    import difflib  # here, since few commands go wrong

    return next(iter(difflib.get_close_matches(given, list(possible), n=1, cutoff=0.6)), None)


def did_you_mean(given: str, possible: Iterable[str]) -> str:
    """Returns ``" Did you mean 'X'?"`` for the nearest spelling, or an empty string where there is none."""
    name = nearest(given, possible)
    return "" if name is None else f" Did you mean {name!r}?"


def unknown(noun: str, given: str, possible: Iterable[str]) -> UserError:
    """Makes the error for a name that is not among those possible, with the nearest spelling and the whole choice."""
    names = sorted(set(filter(None, possible)))  # a short name may also be a path
    return UserError(f"unknown {noun} {given!r}.{did_you_mean(given, names)} Choose from: {', '.join(names)}.")
