"""Paths as users write them, read once where they come in: a shell expands ``~`` only at the start of an argument."""

from __future__ import annotations

import os
from pathlib import Path

from jaxdl.errors import UserError


def expanded(path: str | os.PathLike[str]) -> Path:
    """Returns a path in which ``~`` or ``~user`` at its start is replaced by that home folder, as a shell does it.

    Raises:
        UserError: no such home folder is known, and nothing of that very name exists.
    """
    text = os.fspath(path)
    found = os.path.expanduser(text)
    if found.startswith("~") and not os.path.lexists(text):
        user = text.partition("/")[0]
        raise UserError(f"{text}: no home folder is known for {user}; give the whole path, or ./{text} for that name.")
    return Path(found)


def cache_folder() -> Path:
    """Returns the user's cache folder, for files that can be created again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxdl"
