"""What the importers share: figures with their splits, and runs made of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxdl.comparison.runs import Imported, Run

_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "val", "valid", "eval", "evaluation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_WORDS = {"true": True, "false": False, "none": None, "null": None}


class Point(NamedTuple):
    """One value that a tool logged."""

    step: int
    name: str
    value: float


def split_named(name: str) -> str | None:
    """Returns the split that a word means, such as ``validation`` for ``val``; None for any other word."""
    return _SPLITS.get(name.lower())


def split_of(name: str) -> tuple[str, str]:
    """Returns split and figure of a tool's name: ``val_loss``, ``Loss/val`` and ``validation/loss`` are the same.

    A figure that names no split is one of train.
    """
    for sign in ("/", "_", "-"):
        first, found, rest = name.partition(sign)
        if found and rest and (split := split_named(first)):
            return split, rest
        before, found, last = name.rpartition(sign)
        if found and before and (split := split_named(last)):
            return split, before.lower()
    return "train", name


def parsed(text: str) -> Any:
    """Returns a parameter that a tool keeps as text: a number, yes or no, nothing, or the text."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Returns nested parameters by dotted path; lists as tuples."""
    if isinstance(value, Mapping):
        found: dict[str, Any] = {}
        for name, item in value.items():
            found |= flat(item, f"{path}.{name}" if path else str(name))
        return found
    return {path: tuple(value) if isinstance(value, list) else value}


def imported_run(
    path: Path,
    tool: str,
    *,
    experiment: str,
    status: str,
    config: Mapping[str, Any],
    points: Iterable[Point],
    seconds: float | None = None,
) -> Run:
    """Returns a run of another tool.

    Args:
        path: where it was found; two runs have two.
        tool: the name of the tool.
        experiment: the name of the experiment or project.
        status: ``completed``, ``failed``, ``preempted`` or ``unfinished``.
        config: its parameters by dotted path.
        points: what it logged, in the order of logging; a figure ``epoch`` is the epoch of its step.
        seconds: how long it took, if that is known.
    """
    epochs: dict[int, float] = {}
    lines: dict[tuple[int, str], dict[str, Any]] = {}
    for point in points:
        if point.name == "epoch":
            epochs[point.step] = point.value
            continue
        split, figure = split_of(point.name)
        line = lines.setdefault((point.step, split), {"step": point.step, "split": split})
        line[figure] = point.value
    history = [lines[key] for key in sorted(lines, key=lambda key: key[0])]
    for line in history:
        if line["step"] in epochs and math.isfinite(epochs[line["step"]]):
            line["epoch"] = int(epochs[line["step"]])
    metrics: dict[str, Any] = {}
    for line in history:
        metrics |= {f"{line['split']}/{name}": value for name, value in line.items() if name not in _BESIDE}
    summary: dict[str, Any] = {"experiment": experiment, "status": status, "metrics": metrics}
    if history:
        summary["step"] = history[-1]["step"]
    if epochs:
        summary["epoch"] = int(max(filter(math.isfinite, epochs.values()), default=0))
    if seconds is not None:
        summary["wall_seconds"] = seconds
    return Run(path, summary, Imported(tool, dict(config), history))


_BESIDE = ("step", "epoch", "split")
