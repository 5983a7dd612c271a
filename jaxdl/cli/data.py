"""Looking at an experiment's data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jaxdl.cli.options import Options
from jaxdl.experiment import Experiment
from jaxdl.experiment.looking import look_at_data, write_look
from jaxdl.record import new_run_dir
from jaxdl.report.terminal import announce, console_of


def look(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    """Prints what the data are and what looks wrong in them, and writes a page with examples."""
    found = look_at_data(experiment, Path(options.data_folder), announce)
    console_of().print(found.text)
    for warning in found.found.warnings:
        announce(f"note: {warning}")
    folder = Path(options.run_dir) if options.run_dir else new_run_dir(Path("runs"), f"{experiment.name}-data")
    print(f"page: {write_look(found, folder)}")
    return 0
