"""Writes the report of a run, from the files of its directory alone."""

from __future__ import annotations

from jaxdl.cli.options import Options
from jaxdl.files.locks import is_locked
from jaxdl.files.paths import expanded
from jaxdl.objectives import REPORT_SECTIONS
from jaxdl.report.run import write_report


def report(options: Options) -> int:
    """Writes ``report.html`` into the run directory, and says where it is; returns the exit status."""
    run_dir = expanded(options.run_dir)
    print(f"report: {write_report(run_dir, REPORT_SECTIONS, running=is_locked(run_dir))}")
    return 0
