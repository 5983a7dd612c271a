"""Lists runs and changes their tags, from the files of their directories alone: thousands in a moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxdl.cli.options import Options
from jaxdl.comparison.filters import chosen, in_order, parse_conditions
from jaxdl.comparison.runs import Run, find_runs
from jaxdl.errors import UserError, printable
from jaxdl.record import annotate
from jaxdl.report.format import duration, figure, is_number

_MOST_FIGURES = 3
_LONGEST_NOTE = 60
# A column of text begins at its left, one of numbers ends at its right.
_TEXTS = ("run", "experiment", "status", "tag", "note")


def list_runs(options: Options) -> int:
    """Prints a line for each run; returns the exit status."""
    conditions = parse_conditions(options.filter)
    runs = chosen(find_runs(*options.runs), conditions)
    if options.sort:
        runs = in_order(runs, options.sort)
    print_table(_rows(runs, [*(condition.name for condition in conditions), options.sort.removeprefix("-")]), _TEXTS)
    print(f"{len(runs):,} runs")
    return 0


def tag_runs(options: Options) -> int:
    """Changes the tags and the note of runs, and prints what each has now; returns the exit status."""
    if not options.tag and options.note is None:
        raise UserError("--mode=tag needs --tag=WORD, or --note=TEXT (see --help).")
    runs = chosen(find_runs(*options.runs), parse_conditions(options.filter))
    for run in runs:
        if run.imported:
            raise UserError(f"{run.path} is a run of {run.tool}: only runs of jaxdl have tags; choose with --filter.")
    for run in runs:
        now = annotate(run.path, options.tag, options.note)
        print(printable("  ".join(filter(None, [str(run.path), ",".join(now.tags), now.note]))))
    print(f"{len(runs):,} runs")
    return 0


def print_table(rows: Sequence[Sequence[str]], texts: Sequence[str]) -> None:
    """Prints a heading with rows below it; columns with a name of `texts` begin at their left, the others end there."""
    # Not by Rich, which takes seconds for thousands of lines, and folds them.
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        if number == 1:
            print("  ".join("-" * width for width in widths))
        cells = zip(row, rows[0], widths, strict=True)
        print("  ".join(c.ljust(width) if name in texts else c.rjust(width) for c, name, width in cells).rstrip())


def _rows(runs: Sequence[Run], asked: Sequence[str]) -> list[list[str]]:
    """Returns the heading and a row for each run: what was asked for by a condition or for sorting is shown, too."""
    names = list(dict.fromkeys(name for run in runs for name, value in run.metrics.items() if is_number(value)))
    shown = [name for name in names if name.startswith("test/")] or names
    columns = dict.fromkeys([*filter(None, asked), *shown[:_MOST_FIGURES]])
    extra = [name for name in columns if name not in (*_TEXTS, "epoch", "step")]
    said = [name for name in ("tag", "note") if any(name in run.facts for run in runs)]
    rows = [["run", "experiment", "status", "epoch", *extra, "time", *said]]
    for run in runs:
        facts = run.facts
        seconds: Any = facts.get("wall_seconds")
        row = [str(run.path), run.experiment, run.status, str(facts.get("epoch", "")), *(_cell(run, n) for n in extra)]
        took = duration(seconds) if is_number(seconds) else ""
        rows.append([*row, took, *(_shortened(str(facts.get(name, ""))) for name in said)])
    return [list(map(printable, row)) for row in rows]


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_NOTE else f"{text[: _LONGEST_NOTE - 3]}..."


def _cell(run: Run, name: str) -> str:
    value = run.value(name)
    return figure(value) if is_number(value) else "" if value is None else str(value)
