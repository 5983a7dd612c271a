"""Looking at the devices."""

from __future__ import annotations

from collections.abc import Sequence

from jaxdl.backend.devices import look_at_devices
from jaxdl.cli.options import Options
from jaxdl.experiment import Experiment
from jaxdl.report.devices import devices_table
from jaxdl.report.terminal import console_of


def look(options: Options, experiment: Experiment | None, arguments: Sequence[str], begin: float) -> int:
    """Prints which devices there are, and how fast they multiply, read memory and add their arrays."""
    console_of().print(devices_table(look_at_devices()))
    return 0
