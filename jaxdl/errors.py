"""The one exception for mistakes that the user can correct, such as a package that is not installed."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Mapping
from typing import Any

_LONGEST = 200  # characters of a value in a message

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "aim": ("aim",),
    "export": ("flatbuffers",),
    "onnx": ("onnx", "onnxruntime"),
    "pictures": ("simplejpeg",),
    "mlflow": ("mlflow-skinny", "sqlalchemy"),
    "ray": ("ray", "optuna", "cloudpickle", "cmaes"),
    "serve": ("starlette", "uvicorn", "httptools", "orjson", "prometheus_client"),
    "sound": ("soundfile", "soxr"),
    "sweep": ("optuna", "cloudpickle", "cmaes"),
    "tables": ("pandas",),
    "text": ("tokenizers",),
    "tf": ("tensorflow",),
    "trackio": ("trackio",),
    "wandb": ("wandb",),
    "weights": ("safetensors",),
}
"""The packages of each extra of ``pyproject.toml`` that code imports: named as the modules that they bring."""


def printable(text: str) -> str:
    """Returns a text in which control characters are escaped, such as ``\\x1b``."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def brief(value: object) -> str:
    """Returns a value for a message: an array by its dtype and shape, and anything else in at most 200 characters."""
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if dtype is not None and shape is not None:
        return f"{type(value).__name__} of {dtype} and shape {tuple(shape)}"
    if isinstance(value, tuple) and any(hasattr(each, "shape") for each in value):
        text = f"({', '.join(map(brief, value))})"
    elif isinstance(value, dict) and any(hasattr(each, "shape") or isinstance(each, tuple) for each in value.values()):
        text = f"{{{', '.join(f'{name!r}: {brief(each)}' for name, each in value.items())}}}"
    else:
        text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


class UserError(Exception):
    """A mistake that the user can correct; the message is one line that says what is wrong and what to do.

    The message is made `printable`, since it may quote a command line or a file. ``launch.py`` prints the message
    without a traceback and exits with status 2.
    """

    def __init__(self, message: str):
        super().__init__(printable(message))


def missing(extra: str, what: str, otherwise: str = "", problem: object = None) -> UserError:
    """Returns the error for packages that are not installed: one line with the command that brings them.

    The command names the packages, and not jaxdl: on the public index, that name is another project's.

    Args:
        extra: the extra that they belong to, one of `EXTRAS`.
        what: what needs them, such as ``a sweep``.
        otherwise: what else can be done, as a half sentence; empty: nothing.
        problem: what importing one of them said, where it is there and does not work.
    """
    packages = EXTRAS[extra]
    absent = [name for name in packages if importlib.util.find_spec(name) is None]
    cause = f" ({problem})" if problem is not None and not absent else ""
    one = f"the package {packages[0]}" if len(packages) == 1 else f"the packages {_listed(packages)}"
    or_else = f", or {otherwise}" if otherwise else ""
    return UserError(
        f"{what} needs {one}{cause}: pip install {' '.join(absent or packages)} (jaxdl's extra {extra!r}){or_else}."
    )


def needed(module: str, extra: str, what: str, otherwise: str = "") -> Any:
    """Imports a module of an extra; the rest of a package is then there, too.

    Args:
        module: its full name.
        extra: the extra that it belongs to, one of `EXTRAS`.
        what: what needs it, such as ``a sweep``.
        otherwise: what else can be done, as a half sentence; empty: nothing.

    Raises:
        UserError: it is not installed, or lacks a library of its own.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as problem:  # the second: a shared library is not found
        raise missing(extra, what, otherwise, problem) from problem


def check_installed(modules: Iterable[str], extra: str, what: str, otherwise: str = "") -> None:
    """Raises the `UserError` of `needed` for modules that are not there, without importing them."""
    if any(importlib.util.find_spec(module) is None for module in modules):
        raise missing(extra, what, otherwise)


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def nearest(given: str, possible: Iterable[str]) -> str | None:
    """Returns the possible name that is spelled most like the given one; None where none is spelled like it.

    Capitals, dashes, underscores and spaces do not count: ``AdamW`` is adamw, ``LeakyReLU`` is leaky_relu.
    """
    import difflib  # here, since few commands go wrong

    by_letters: dict[str, str] = {}
    for name in possible:
        by_letters.setdefault(_letters(name), name)
    found = difflib.get_close_matches(_letters(given), list(by_letters), n=1, cutoff=0.6)
    return by_letters[found[0]] if found else None


def _letters(name: str) -> str:
    """Returns a name as it is compared: the same for ``Leaky-ReLU`` and ``leaky_relu``."""
    return name.casefold().translate({ord(mark): None for mark in "-_ "})


def did_you_mean(given: str, possible: Iterable[str]) -> str:
    """Returns ``" Did you mean 'X'?"`` for the nearest spelling, or an empty string where there is none."""
    name = nearest(given, possible)
    return "" if name is None else f" Did you mean {name!r}?"


def unknown(noun: str, given: str, possible: Iterable[str]) -> UserError:
    """Returns the error for an unknown name, with the nearest spelling and all possible names."""
    names = sorted(set(filter(None, possible)))  # a short name may also be a path
    choice = f"Choose from: {', '.join(names)}." if names else "There is none."
    return UserError(f"unknown {noun} {given!r}.{did_you_mean(given, names)} {choice}")
