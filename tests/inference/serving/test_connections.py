"""What uvicorn lacks: connections that send no request in time are closed, and other sites' names are refused."""

from __future__ import annotations

import contextlib
import http.client
import time

import jaxdl
from tests.served import ask, said_to, served
from tests.serving_models import of_pictures


def test_heads_are_short_come_in_time_and_name_this_machine() -> None:
    with served(of_pictures(), jaxdl.Limits(seconds=1.5)) as port:
        begin = time.monotonic()
        assert said_to(port).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - begin > 1.4
        long = said_to(port, b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: " + 70_000 * b"x")
        assert long.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))
        assert ask(port, "GET", "/health", host="example.org").status == 400
        for name in ("localhost", f"127.0.0.1:{port}"):
            assert ask(port, "GET", "/health", host=name).status == 200
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
            for _ in range(4):  # the timer of one request is not that of the next
                connection.request("GET", "/health")
                assert connection.getresponse().read()
                time.sleep(0.5)
        assert said_to(port, b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400")
