"""Compares runs, from the files of their directories alone."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text

from jaxdl.cli.options import Options
from jaxdl.comparison.compare import compare
from jaxdl.comparison.filters import chosen, parse_conditions
from jaxdl.comparison.runs import find_runs
from jaxdl.comparison.tables import check_ending, legend, terminal_table, write
from jaxdl.errors import UserError, printable
from jaxdl.report.terminal import announce, console_of


def compare_runs(options: Options) -> int:
    """Compares runs, and writes the result where ``--output`` says so; returns the exit status."""
    if options.output:
        check_ending(Path(options.output))
    places: tuple[str, ...] = options.runs
    if options.filter:
        found = chosen(find_runs(*places), parse_conditions(options.filter))
        if not found:
            raise UserError(f"--filter={options.filter}: no run fulfils it.")
        places = tuple(str(run.path) for run in found)
    comparison = compare(*places, metrics=options.figures, baseline=options.baseline or None)
    console = console_of()
    console.print(terminal_table(comparison))
    for line in (*comparison.said, *comparison.stand_ins, legend(comparison)):
        console.print(Text(printable(line)))
    if comparison.left_out:
        announce(f"{len(comparison.left_out)} runs that are not completed are left out.")
    if options.output:
        write(comparison, Path(options.output))
        announce(f"written: {options.output}")
    return 0
