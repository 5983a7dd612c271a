"""Fills two pages from the code itself: the public names on ``api.md``, the options of ``launch.py`` on ``flags.md``.

A page holds a comment such as ``<!-- public names -->`` where the text goes, so that nobody keeps a second list.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import jaxdl
from jaxdl.cli.options import option_fields
from jaxdl.fields import show, type_name

# A heading for each package of jaxdl; the names of a package without one come last, under the package's own name.
_HEADINGS = {
    "experiment": "Experiments",
    "training": "Training",
    "steps": "Steps",
    "models": "Models",
    "data": "Data",
    "augment": "Augmentation",
    "objectives": "Losses and metrics",
    "optim": "Optimizers and schedules",
    "inference": "Finished runs",
    "comparison": "Comparing runs",
    "sweeps": "Sweeps",
    "fields": "Fields",
    "checkpoint": "Digests",
    "backend": "Settings",
    "errors": "Errors",
}


def public_names() -> str:
    """Returns an entry for each public name, in MyST, by the package that it comes from."""
    packages: dict[str, list[str]] = {}
    for name in jaxdl.__all__:
        packages.setdefault(getattr(jaxdl, name).__module__.split(".")[1], []).append(name)
    order = [*_HEADINGS, *sorted(packages.keys() - _HEADINGS.keys())]
    sections = [
        f"## {_HEADINGS.get(package, package)}\n\n" + "\n\n".join(map(_entry, packages[package]))
        for package in order
        if package in packages
    ]
    return "\n\n".join(sections)


def _entry(name: str) -> str:
    kind = "class" if inspect.isclass(getattr(jaxdl, name)) else "function"
    options = "\n   :members:" if kind == "class" else ""
    return f"```{{eval-rst}}\n.. auto{kind}:: jaxdl.{name}{options}\n```"


def options() -> str:
    """Returns the options of ``launch.py``, with the texts of its ``--help``, as a definition list in MyST."""
    entries = []
    for name, field in option_fields().items():
        default = show(field.value) if field.value not in ("", ()) else "not set"
        entries.append(f"`--{name}={type_name(field.type)}`\n: {_sentence(field.declaration.help)} Default: {default}.")
    return "\n\n".join(entries)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:].replace("<", "\\<").replace("*", "\\*") + "."


_GENERATED = {"<!-- public names -->": public_names, "<!-- options of launch.py -->": options}


def _fill(app: Any, page: str, source: list[str]) -> None:
    for mark, generate in _GENERATED.items():
        if mark in source[0]:
            source[0] = source[0].replace(mark, generate())


def _as_written(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Keeps Napoleon from reading markup into plain sentences; types stand in the signatures.

    It takes what comes before the first colon of a ``Returns`` section, or of a property's text, for a type: a colon in
    front says that there is none. And `*input_shape` is no emphasis.
    """
    after_returns = [number + 1 for number, line in enumerate(lines) if line.strip() in ("Returns:", "Yields:")]
    for number in [*after_returns, *([0] if what in ("property", "attribute") else [])]:
        indent = len(lines[number]) - len(lines[number].lstrip())
        lines[number] = f"{' ' * indent}: {lines[number].lstrip()}"
    lines[:] = [re.sub(r"(?<![*\w`])\*(?=\w)", r"\\*", line) for line in lines]


def setup(app: Any) -> dict[str, bool]:
    """Registers the extension with Sphinx."""
    app.connect("source-read", _fill)
    app.connect("autodoc-process-docstring", _as_written, priority=400)  # before Napoleon, which has 500
    return {"parallel_read_safe": True}
