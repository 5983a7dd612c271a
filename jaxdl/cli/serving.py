"""The mode that serves a finished run."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

from jaxdl.cli.options import Options
from jaxdl.experiment import Experiment
from jaxdl.inference import serving


def serve(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    """Serves a run until Ctrl-C or SIGTERM, which end it in order, with status 0."""
    limits = serving.Limits(body=options.max_body, seconds=options.max_seconds)
    listening: list[str] = []

    def notify(line: str) -> None:
        listening.append(line)
        print(line, flush=True)

    try:
        serving.serve(
            Path(options.run_dir),
            host=options.host,
            port=options.port,
            experiment=experiment,
            runtime=options.runtime,
            max_batch=options.max_batch,
            limits=limits,
            notify=notify,
        )
    except KeyboardInterrupt as stop:
        ordered = getattr(stop, "number", signal.SIGINT) in (signal.SIGINT, signal.SIGTERM)
        if not (listening and ordered):
            raise
    print("Stopped; every request that had begun was answered.")
    return 0
