"""A command line as Hydra takes it (``--multirun learning_rate=1e-3,1e-2``), answered with the one to write."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from jaxdl.cli.argv import Token, program
from jaxdl.errors import UserError

_MULTIRUN = ("multirun", "m")
_OVERRIDE = re.compile(r"\+{0,2}([A-Za-z_][\w.]*)=(.+)", re.DOTALL)
_BRACKETS = str.maketrans("[]", "()")
_CALL = re.compile(r"[a-z]\w*\(.*\)", re.DOTALL)
_DRAWN = re.compile(r"(interval|tag|log|loguniform|uniform|int)\(.*\)", re.DOTALL)


def refuse_hydra(found: Sequence[Token]) -> None:
    """Raises `UserError` for ``--multirun``, ``-m`` and overrides without dashes; the message is the line to write.

    Args:
        found: the command line.

    Raises:
        UserError: there is one of them.
    """
    multirun = any(token.name in _MULTIRUN for token in found)
    words = list(_rewritten(found))
    drawn = any(_DRAWN.fullmatch(word.split("=", 2)[-1]) for word in words if word.startswith("--sweep="))
    given = [argument for token in found for argument in token.arguments]
    if multirun and len(words) < len(given) and set(words) < set(given):  # it stands alone
        words.append("--sweep=FIELD=VALUES")
    if not multirun and words == given:
        return
    line = shlex.join(["python", *program(), *words, *(["--trials=N"] if drawn and "--trials" not in given else [])])
    wrong = "--multirun is Hydra's" if multirun else "a field is given with two dashes, several values with --sweep"
    raise UserError(f"{wrong}; write {line}")


def _rewritten(found: Sequence[Token]) -> Iterator[str]:
    """Yields the arguments with each override as a flag, and without ``--multirun``."""
    for token in found:
        bare = list(token.arguments) if not token.name else []
        if token.name in _MULTIRUN and token.value is not None:
            bare = [token.value]
        elif token.name and token.name not in _MULTIRUN:
            yield from token.arguments
        for word in bare:
            override = _OVERRIDE.fullmatch(word)
            if override is None:
                yield word
            else:
                values = override[2].translate(_BRACKETS)
                yield f"--{'sweep=' if _several(values) else ''}{override[1]}={values}"


def _several(text: str) -> bool:
    """Returns whether Hydra would run once for each of several values."""
    return _CALL.fullmatch(text) is not None or re.search(r",(?![^(]*\))", text) is not None
