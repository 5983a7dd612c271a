"""The one exception for mistakes that the user can correct."""

from __future__ import annotations

from collections.abc import Iterable

_LONGEST = 200  # characters of a value in a message


def printable(text: str) -> str:
    """Returns a text in which control characters are escaped, such as ``\\x1b``."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def brief(value: object) -> str:
    """Returns a value for a message: an array by its dtype and shape, and anything else in at most 200 characters."""
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if dtype is not None and shape is not None:
        return f"{type(value).__name__} of {dtype} and shape {tuple(shape)}"
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


class UserError(Exception):
    """A mistake that the user can correct; the message is one line that says what is wrong and what to do.

    The message is made `printable`, since it may quote a command line or a file. ``launch.py`` prints the message
    without a traceback and exits with status 2.
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
    """Returns the error for an unknown name, with the nearest spelling and all possible names."""
    names = sorted(set(filter(None, possible)))  # a short name may also be a path
    return UserError(f"unknown {noun} {given!r}.{did_you_mean(given, names)} Choose from: {', '.join(names)}.")
