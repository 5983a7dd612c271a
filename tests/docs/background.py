"""A server that a page starts with ``&``, asks with curl, and ends with ``kill %1``."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import sys
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

_PORT = "--port=8080"  # as the pages have it; here a free one takes its place, since another may be in use
_running: list[tuple[subprocess.Popen[str], str]] = []


def beside(words: list[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Runs one of the three commands; returns its exit status, and what it printed.

    The status of ``kill`` is that of the server. curl need not be installed: a request is sent as it would be.
    """
    if words[-1] == "&":
        assert words[:2] == ["python", "launch.py"] and _PORT in words and not _running
        arguments = [word.replace(_PORT, "--port=0") for word in words[1:-1]]
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Serving on "):
                _running.append((process, line.split()[-1]))
                return 0, "".join(lines)
        return process.wait() or 1, "".join(lines)
    process, address = _running[0]
    if words[0] == "curl":
        (asked,) = words[1:]
        where = urllib.parse.urlsplit(address)
        assert asked.startswith("http://127.0.0.1:8080/") and where.port is not None
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", where.port, timeout=20)) as connection:
            connection.request("GET", urllib.parse.urlsplit(asked).path)
            answer = connection.getresponse()
            return (0 if answer.status == 200 else 22), answer.read().decode()
    assert words == ["kill", "%1"]
    _running.clear()
    process.terminate()
    printed, _ = process.communicate(timeout=60)
    return process.returncode, printed
