"""Lists runs, from the files of their directories alone: thousands in a moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxdl.cli.options import Options
from jaxdl.comparison.filters import chosen, in_order, parse_conditions
from jaxdl.comparison.runs import Run, find_runs
from jaxdl.errors import printable
from jaxdl.report.format import duration, figure, is_number

_MOST_FIGURES = 3
# A column of text begins at its left, one of numbers ends at its right.
_TEXTS = ("run", "experiment", "status")


def list_runs(options: Options) -> int:
    """Prints a line for each run; returns the exit status."""
    conditions = parse_conditions(options.filter)
    runs = chosen(find_runs(*options.runs), conditions)
    if options.sort:
        runs = in_order(runs, options.sort)
    rows = _rows(runs, [*(condition.name for condition in conditions), options.sort.removeprefix("-")])
    # Not by Rich, which takes seconds for thousands of lines, and folds them.
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        if number == 1:
            print("  ".join("-" * width for width in widths))
        print("  ".join(_aligned(*cell) for cell in zip(row, rows[0], widths, strict=True)).rstrip())
    print(f"{len(runs):,} runs")
    return 0


def _aligned(cell: str, column: str, width: int) -> str:
    return cell.ljust(width) if column in _TEXTS else cell.rjust(width)


def _rows(runs: Sequence[Run], asked: Sequence[str]) -> list[list[str]]:
    """Returns the heading and a row for each run: what was asked for by a condition or for sorting is shown, too."""
    names = list(dict.fromkeys(name for run in runs for name, value in run.metrics.items() if is_number(value)))
    shown = [name for name in names if name.startswith("test/")] or names
    columns = dict.fromkeys([*filter(None, asked), *shown[:_MOST_FIGURES]])
    extra = [name for name in columns if name not in (*_TEXTS, "epoch", "step")]
    rows = [["run", "experiment", "status", "epoch", *extra, "time"]]
    for run in runs:
        facts = run.facts
        seconds: Any = facts.get("wall_seconds")
        row = [str(run.path), run.experiment, run.status, str(facts.get("epoch", "")), *(_cell(run, n) for n in extra)]
        rows.append([*row, duration(seconds) if is_number(seconds) else ""])
    return [list(map(printable, row)) for row in rows]


def _cell(run: Run, name: str) -> str:
    value = run.value(name)
    return figure(value) if is_number(value) else "" if value is None else str(value)
