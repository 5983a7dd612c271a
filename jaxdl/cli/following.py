"""Follows running runs in the terminal, from the files of their directories alone."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxdl.cli.options import Options
from jaxdl.comparison.filters import parse_conditions
from jaxdl.comparison.following import RUNNING, Followed, Following
from jaxdl.comparison.runs import Run
from jaxdl.errors import printable
from jaxdl.report.format import figure, figures, is_number
from jaxdl.report.terminal import LiveArea, announce

if TYPE_CHECKING:
    from rich.table import Table

_BARS = "▁▂▃▄▅▆▇█"
_POINTS = 20  # of a small curve
_SECONDS = 0.5  # between two looks


def follow_runs(options: Options) -> int:
    """Shows what running runs log, until they end or Ctrl-C is pressed; returns the exit status."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:  # it would leave the terminal without its cursor
        signal.signal(signal.SIGINT, signal.default_int_handler)
    conditions = parse_conditions(options.filter)

    def wanted(run: Run) -> bool:
        return all(condition.holds(run) for condition in conditions)

    following = Following(*options.runs, wanted=wanted)
    if not following.runs:
        announce(f"none of the {following.not_running} runs is running.")
        return 0
    names = list(options.figures)
    with LiveArea(lambda: table(following.runs, names)) as area:
        while True:
            ended = following.ended  # before the look: what was logged until then is read
            for each in following.look():
                area.say(line(each))
            if ended:
                break
            time.sleep(_SECONDS)
    for each in following.runs:
        announce(f"{each.run.path}: {each.status}")
    return 0


def line(followed: Followed) -> str:
    """Returns the last epoch of a run in one line."""
    row = followed.row
    epoch = row["epoch"]
    same = [entry for entry in followed.lines[-8:] if entry.get("epoch") == epoch]
    parts = [
        f"{entry.get('split')} {figures({k: v for k, v in entry.items() if k not in ('step', 'epoch')})}"
        for entry in same
    ]
    total = f"/{row['epochs']}" if row["epochs"] is not None else ""
    return printable("  ".join([_short(followed.run, [followed.run]), f"epoch {epoch}{total}", *parts]))


def table(runs: Sequence[Followed], names: Sequence[str]) -> Table:
    """Returns a row for each run, for the terminal: how far it is, its last figures, and a small curve of the first."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = list(names) or _default_figures(runs)
    made = Table(box=box.SIMPLE_HEAD)
    made.add_column("run", overflow="fold", ratio=2)
    for name in ("status", "epoch", "step"):
        made.add_column(name, justify="right" if name != "status" else "left", no_wrap=True)
    for name in shown:
        made.add_column(Text(printable(name)), justify="right")
    made.add_column(Text(printable(shown[0])) if shown else "", no_wrap=True)
    for each in runs:
        row = each.row
        total = f"/{row['epochs']}" if row["epochs"] is not None else ""
        values = [figure(row[name]) if is_number(row.get(name)) else "" for name in shown]
        style = "" if row["status"] == RUNNING else "dim"
        cells = [_short(each.run, [other.run for other in runs]), row["status"], f"{row['epoch']}{total}", row["step"]]
        curve = small_curve(each.series(shown[0])) if shown else ""
        made.add_row(*(Text(printable(str(cell)), style=style) for cell in (*cells, *values, curve)))
    return made


def small_curve(values: Sequence[float]) -> str:
    """Returns the last values as bars of one line, the lowest and the highest of them as ends of the scale."""
    finite = [value for value in values if math.isfinite(value)][-_POINTS:]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    return "".join(_BARS[round((value - low) / ((high - low) or 1) * (len(_BARS) - 1))] for value in finite)


def _default_figures(runs: Sequence[Followed]) -> list[str]:
    """Returns the figures on validation, or else those on train; three at most, so that a terminal has room."""
    known = dict.fromkeys(name for each in runs for name in each.row if "/" in name)
    validation = [name for name in known if name.startswith("validation/")]
    return (validation or [name for name in known if name.startswith("train/")])[:3]


def _short(run: Run, runs: Sequence[Run]) -> str:
    """Returns the part of a run's path in which it differs from the others."""
    if len(runs) < 2:
        return run.path.name
    return os.path.relpath(run.path, os.path.commonpath([str(each.path) for each in runs]))
