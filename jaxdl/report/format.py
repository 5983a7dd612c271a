"""Readable numbers, times and sizes, the same in the terminal, in reports and in tables."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from jaxdl.errors import printable

_SPLITS = ("train", "validation", "test")


# What is read from the disk: its kind, and where it is.
_OF_A_FILE = re.compile(r"^([a-z]+):(?:[^(]*/)?([^/(]+)/*(?= \(|$)")


def figure(value: float) -> str:
    """Returns a number with four decimals; below 0.1 with four significant digits, from 1000 as a whole number."""
    if not math.isfinite(value) or isinstance(value, int):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4f}" if abs(value) >= 0.1 else f"{value:.4g}"


def amount(value: float) -> str:
    """Returns how many there are: a whole number as such, a sum of weights with up to two decimals."""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.2f}".rstrip("0").rstrip(".")


def figures(metrics: Mapping[str, Any]) -> str:
    """Returns figures in one line, such as ``loss 0.1250 accuracy 0.9877``; other values than numbers are left out."""
    return " ".join(f"{printable(name)} {figure(value)}" for name, value in metrics.items() if is_number(value))


def is_number(value: Any) -> bool:
    """Returns whether a metric's value is one number, and not a list such as a confusion matrix."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def duration(seconds: float) -> str:
    """Returns a time as ``minutes:seconds`` or ``hours:minutes:seconds``; ``-:--`` when it is not known."""
    if not math.isfinite(seconds):
        return "-:--"
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


def size(held: int) -> str:
    """Returns a number of bytes such as ``740 B``, ``1.2 kB`` or ``35 MB``, in steps of 1000."""
    value, unit = float(held), "B"
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{held} B" if unit == "B" else f"{value:.3g} {unit}"


def data_used(data: Mapping[str, Any]) -> str:
    """Returns the name of the data that were used, from a summary's ``data``; a stand-in is marked as such."""
    used = str(data.get("used", "unknown"))
    return f"{used} (stand-in for {data.get('requested')})" if data.get("substituted") else used


def without_folders(name: str) -> str:
    """Returns the name of data for titles: of ``series:/a/long/way/to/sales.csv`` only ``series:sales.csv``.

    Args:
        name: of `data_used`, or several with a comma between them.
    """
    return ", ".join(_OF_A_FILE.sub(r"\1:\2", each) for each in name.split(", "))


def baseline_facts(data: Mapping[str, Any]) -> dict[str, str]:
    """Returns the figures of forecasts that need no model, from a summary's ``data``, in a line each by their name."""
    baselines = data.get("baselines")
    facts: dict[str, str] = {}
    for name, values in baselines.items() if isinstance(baselines, Mapping) else ():
        by_split: dict[str, dict[str, float]] = {}
        for tag, value in values.items() if isinstance(values, Mapping) else ():
            split, _, metric = tag.partition("/")
            by_split.setdefault(split, {})[metric] = value
        facts[str(name)] = "; ".join(f"{split} {figures(by_split[split])}" for split in sorted(by_split))
    return facts


def split_metrics(metrics: Mapping[str, Any]) -> tuple[list[str], dict[str, dict[str, float]]]:
    """Sorts the figures of a summary by metric.

    Args:
        metrics: figures by ``SPLIT/METRIC``; other values than numbers are left out.

    Returns:
        The splits, and for each metric its numbers by split.
    """
    by_metric: dict[str, dict[str, float]] = {}
    for tag, value in metrics.items():
        split, _, name = tag.partition("/")
        if is_number(value):
            by_metric.setdefault(name, {})[split] = value
    present = {split for values in by_metric.values() for split in values}
    known = [split for split in _SPLITS if split in present]
    return known + sorted(present - set(known)), by_metric


def readable_bytes(size: int) -> str:
    """Returns a size such as ``1.5 MiB``."""
    value, units = float(size), ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{size} B" if units[0] == "B" else f"{value:.1f} {units[0]}"
