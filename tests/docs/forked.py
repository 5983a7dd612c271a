"""Runs ``launch.py`` in a copy of a process that has imported what a training needs: it starts at once.

A page has up to twenty commands, and the imports of each would take longer than what it does. What is started is the
file itself, in a process of its own; only how its modules came there differs, which tests of the command line cover.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

# What `python launch.py --experiment=digits_mlp` imports that takes long.
_MODULES = (
    "flax.linen",
    "jaxdl.cli.main",
    "jaxdl.report.run",
    "jaxdl.sweeps.api",
    "jaxdl.training.run",
    "optax",
    "orbax.checkpoint",
)
_server: list[subprocess.Popen[str]] = []


def launch(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Runs ``python launch.py`` with arguments in a folder; returns its exit status, and what it printed."""
    if not _server:
        _server.append(
            subprocess.Popen(
                [sys.executable, "-m", "tests.docs.forked"],
                env={**environment, "OPENBLAS_NUM_THREADS": "1"},  # no threads of NumPy's own
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).resolve().parents[2],
            )
        )
        atexit.register(_server[0].kill)
    server = _server[0]
    assert server.stdin is not None and server.stdout is not None
    with tempfile.TemporaryDirectory() as outside:
        streams = [Path(outside) / name for name in ("stdout", "stderr")]
        asked = {"arguments": list(arguments), "folder": str(folder), "environment": dict(environment)}
        print(json.dumps(asked | {"streams": [str(path) for path in streams]}), file=server.stdin, flush=True)
        answer = server.stdout.readline()
        assert answer, f"the process that is copied ended with status {server.wait()}"
        return int(answer), "".join(path.read_text() for path in streams)


def _serve() -> None:
    for name in _MODULES:
        __import__(name)
    threads = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1
    assert threads == 1, "a process with threads must not be copied"
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _become(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _become(asked: Mapping[str, list[str] | str | dict[str, str]]) -> None:
    """Ends the process with the status of the command."""
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, path in enumerate(asked["streams"], start=1):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
        os.chdir(str(asked["folder"]))
        environment = asked["environment"]
        assert isinstance(environment, dict)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["launch.py", *asked["arguments"]]
        sys.path[0] = str(asked["folder"])
        runpy.run_path("launch.py", run_name="__main__")
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
