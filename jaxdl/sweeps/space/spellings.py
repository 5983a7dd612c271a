"""Values of a field as Hydra, Optuna and Ray Tune write them, in the spelling of ``--sweep``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_CALL = re.compile(r"\s*(?:trial\s*\.\s*|tune\s*\.\s*)?([A-Za-z_]\w*)\s*\((.*)\)\s*", re.ASCII | re.DOTALL)
_QUOTED = re.compile(r"""\s*(["'])(.*)\1\s*""", re.DOTALL)
_BRACKETS = str.maketrans("[]", "()")
# The field is named by --sweep=FIELD=, so the first argument of Optuna's methods is left out.
_OF_OPTUNA = ("suggest_float", "suggest_int", "suggest_uniform", "suggest_loguniform", "suggest_categorical")
_SAME = {
    "loguniform": "log",
    "suggest_loguniform": "log",
    "suggest_uniform": "uniform",
    "suggest_float": "uniform",
    "FloatDistribution": "uniform",
    "suggest_int": "int",
    "IntDistribution": "int",
}
_LISTS = ("suggest_categorical", "CategoricalDistribution")


def in_our_words(spec: str, *, whole: bool = False, listed: bool = False) -> str:
    """Returns the values of a field in the spelling of ``--sweep``; what is no other spelling stays as it is.

    Hydra's ``range(0,5)``, ``interval(0,1)``, ``tag(log,interval(1e-4,1e-1))``, ``int(interval(1,8))`` and ``[64,32]``;
    Optuna's ``suggest_float("lr", 1e-4, 1e-1, log=True)`` and its kind, also as distributions; ``loguniform`` of both
    and of Ray Tune.

    Args:
        spec: the text after ``--sweep=FIELD=``.
        whole: whether the field is a whole number.
        listed: whether the field is a list.
    """
    call = _CALL.fullmatch(spec)
    if call is None:
        return spec.translate(_BRACKETS) if listed else spec
    name, items = call[1], split(call[2])
    if name in _OF_OPTUNA and items and _QUOTED.fullmatch(items[0]):
        items = items[1:]
    if name == "range":
        return _range(items) or spec
    if name in ("interval", "tag", "int"):
        return _interval(name, items, whole) or spec
    if name in _LISTS:
        inside = items[0].strip() if len(items) == 1 else ",".join(items)
        if inside[:1] + inside[-1:] in ("[]", "()"):
            inside = inside[1:-1]
        return f"choice({','.join(map(_bare, split(inside)))})".translate(_BRACKETS)
    if name == "choice":
        return spec.translate(_BRACKETS) if listed else spec
    return _distribution(_SAME[name], items) if name in _SAME else spec


def _range(items: list[str]) -> str | None:
    """Returns Hydra's ``range([start,] stop[, step])`` as ``start:stop:step``."""
    named = dict(item.split("=", 1) for item in items if "=" in item)
    bare = [item for item in items if "=" not in item]
    bare = ["0", *bare] if len(bare) == 1 and "stop" not in named else bare
    given = dict(zip(("start", "stop", "step"), bare, strict=False)) | {k.strip(): v.strip() for k, v in named.items()}
    if len(bare) > 3 or not given.keys() <= {"start", "stop", "step"} or "stop" not in given:
        return None
    return ":".join([given.get("start", "0"), given["stop"], *([given["step"]] if "step" in given else [])])


def _interval(name: str, items: list[str], whole: bool) -> str | None:
    """Returns Hydra's ``interval``, alone or within ``tag(log,...)`` and ``int(...)``; None for anything else."""
    kind, text = "int" if whole else "uniform", f"interval({','.join(items)})"
    if name == "tag" and len(items) == 2 and items[0] == "log":
        kind, text = "log", items[1]
    elif name == "int" and len(items) == 1:
        kind, text = "int", items[0]
    elif name != "interval":
        return None
    inner = _CALL.fullmatch(text)
    if inner is not None and inner[1] == "int":
        inner = _CALL.fullmatch(inner[2])
    return f"{kind}({inner[2]})" if inner is not None and inner[1] == "interval" else None


def _distribution(kind: str, items: list[str]) -> str:
    """Returns a range; Optuna's ``log=True`` makes it a logarithmic one."""
    kept = [re.sub(r"\s*=\s*", "=", item) for item in items]
    kept = [re.sub(r"^(low|high)=", "", item) for item in kept if item.lower() not in ("log=false", "step=none")]
    if any(item.lower() == "log=true" for item in kept):
        kept = [item for item in kept if item.lower() != "log=true"]
        return f"{kind}({','.join(kept)},log=true)" if kind == "int" else f"log({','.join(kept)})"
    return f"{kind}({','.join(kept)})"


def of_optuna(values: Any, shown: Callable[[Any], str]) -> str | None:
    """Returns one of Optuna's distributions in the spelling of ``--sweep``; None for any other object.

    Args:
        values: the object.
        shown: returns one listed value as it is written.
    """
    if type(values).__module__ != "optuna.distributions":
        return None
    if hasattr(values, "choices"):
        return f"choice({','.join(shown(tuple(v) if isinstance(v, list) else v) for v in values.choices)})"
    whole = type(values).__name__ == "IntDistribution"
    items = [repr(values.low), repr(values.high)]
    if values.log:
        return f"int({','.join(items)},log=true)" if whole else f"log({','.join(items)})"
    step = values.step if values.step is not None and not (whole and values.step == 1) else None
    return f"{'int' if whole else 'uniform'}({','.join([*items, *([f'step={step!r}'] if step else [])])})"


def split(text: str) -> list[str]:
    """Splits at the commas outside parentheses and brackets; an empty text has no items."""
    items, depth, begin = [], 0, 0
    for place, character in enumerate(text):
        depth += {"(": 1, ")": -1, "[": 1, "]": -1}.get(character, 0)
        if character == "," and depth == 0:
            items.append(text[begin:place].strip())
            begin = place + 1
    items.append(text[begin:].strip())
    return [] if items == [""] else items


def _bare(item: str) -> str:
    quoted = _QUOTED.fullmatch(item)
    return quoted[2] if quoted else {"True": "true", "False": "false", "None": "none"}.get(item, item)
