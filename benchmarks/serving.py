"""Predictions for many clients at one time, beside a FastAPI server round the same model in Keras, in turns.

    python -m benchmarks.serving [--python=fastapi=PATH] [--model=cnn] [--clients=200] [--seconds=60] [--rounds=3]
        [--output=FILE]

Each server runs in a process of its own, one after another, on the same cores as its clients, in an order that changes
from round to round; see `serving_worker` for how each is set up, and `load` for the clients. ``--python=fastapi`` is
also that of ``fastapi, async``.

Prints the median over rounds of the requests a second, of the time of the slowest of a hundred requests, of the errors
and of the memory of the server before and at the end, in MiB. Writes all figures with the machine. A server whose
packages are not installed in its Python is left out, with the reason.

Exit status: 0; 1 if jaxdl failed; 2 for bad input.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.load import load_of
from benchmarks.process import ROOT
from benchmarks.serving_worker import MODELS, SERVERS
from benchmarks.turns import Turns, parser_of

_START = 120.0  # seconds that a server may take until it answers
_WARM = 2.0  # seconds of load before the figures are taken


def measure(server: str, python: str, model: str, clients: int, seconds: float) -> dict[str, Any]:
    """Returns what clients of a server see, and its memory; ``problem`` is None where all is well."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [python, "-m", "benchmarks.serving_worker", server, model, str(port)]
    body = json.dumps({"inputs": [random.Random(0).choices(range(256), k=784)]}).encode()
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, cwd=ROOT, env=quiet, stdout=errors, stderr=errors)
        try:
            if not _answers(process, port):
                errors.seek(0)
                lines = errors.read().decode(errors="replace").strip().splitlines()
                return {"problem": lines[-1] if lines else f"no answer within {_START:g} s"}
            load_of(port, "/predict", body, clients, min(_WARM, seconds))
            before, cpu = _memory(process.pid), _cpu_seconds(process.pid)
            load = load_of(port, "/predict", body, clients, seconds)
            used = _cpu_seconds(process.pid) - cpu
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines()
            memory = {"mib_before": before, "mib_at_end": _memory(process.pid)}
            return load.figures() | memory | {"server_cores": used / load.duration, "said": said[:3], "problem": None}
        finally:
            process.kill()
            process.wait()


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Waits until a server answers; returns whether it does."""
    until = time.monotonic() + _START
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as asking:
            asking.request("GET", "/health")
            return asking.getresponse().status == 200
        time.sleep(0.1)
    return False


def _memory(process: int) -> float:
    """Returns the resident memory of a process in MiB."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return round(int(status["VmRSS"].split()[0]) / 1024, 1)


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def table(rounds: Sequence[Mapping[str, Mapping[str, Any]]]) -> str:
    """Returns the medians over rounds, a line for each server."""
    lines = [f"{'server':<16}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'errors':>8}{'MiB':>15}{'cores':>7}"]
    for server in SERVERS:
        own = [found[server] for found in rounds if server in found]
        if not own:
            continue
        median = {
            name: statistics.median(each[name] for each in own) for name, value in own[0].items() if _number(value)
        }
        errors = sum(sum(each["errors"].values()) for each in own)
        memory = f"{median['mib_before']:.0f} to {median['mib_at_end']:.0f}"
        lines.append(
            f"{server:<16}{median['requests_per_second']:>12,.0f}{median['p50_ms']:>9.1f}{median['p99_ms']:>9.1f}"
            f"{errors:>8}{memory:>15}{median['server_cores']:>7.2f}"
        )
    return "\n".join(lines)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    parser = parser_of(__doc__, "serving.json")
    parser.add_argument("--model", choices=MODELS, default="cnn")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args(arguments)
    given = [each.replace("fastapi=", "fastapi, async=", 1) for each in options.python if each.startswith("fastapi=")]
    turns = Turns(parser, [*options.python, *given], SERVERS)
    rounds = [
        turns.round(
            number, lambda server, python: measure(server, python, options.model, options.clients, options.seconds)
        )
        for number in range(options.rounds)
    ]
    about = {"model": options.model, "clients": options.clients, "seconds": options.seconds}
    return turns.conclude(options.output, rounds, table(rounds), **about)


if __name__ == "__main__":
    sys.exit(main())
