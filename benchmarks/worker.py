"""One training with one framework in a separate process: ``python -m benchmarks.worker TASK RESULT``.

TASK is a `benchmarks.task.Task` as JSON; RESULT is the file that gets one line of JSON. Only this framework is
imported, so that the time from the start of the process is its own.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import platform
import sys
from pathlib import Path

from benchmarks.frameworks import FRAMEWORKS
from benchmarks.recorder import Recorder
from benchmarks.task import Task


def main(arguments: list[str]) -> None:
    """Runs the task and writes its result."""
    task = Task.from_json(arguments[0])
    framework = FRAMEWORKS[task.framework]
    recorder = Recorder(task)
    importlib.import_module(framework.module).run(task, recorder)
    versions = {"python": platform.python_version()}
    for name in framework.distributions:
        versions[name] = importlib.metadata.version(name)
    Path(arguments[1]).write_text(json.dumps(recorder.result() | {"versions": versions}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
