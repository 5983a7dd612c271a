"""A model behind a server of this process, and clients that behave or do not."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import jaxdl
from jaxdl.inference.serving.connections import server_of
from jaxdl.inference.serving.server import _bound, serving_app


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@contextlib.contextmanager
def served(model: jaxdl.TrainedModel, limits: jaxdl.Limits | None = None, max_batch: int = 4) -> Iterator[int]:
    """Yields the port of a server of the loopback interface."""
    limits = limits or jaxdl.Limits(seconds=5)
    app = serving_app(model, max_batch=max_batch, limits=limits)
    listener, listening = _bound("127.0.0.1", 0), threading.Event()
    server = server_of(app, limits, True, listening.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    assert listening.wait(20)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def ask(port: int, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    """Sends one request; a body that is no bytes is sent as JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if content is not None:
        given.setdefault("content-type", "application/json")
    with contextlib.closing(connection):
        connection.request(method, path, content, given)
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())


def predicted(port: int, body: Any, **headers: str) -> Answer:
    """Asks for predictions."""
    return ask(port, "POST", "/predict", body, **headers)


def said_to(port: int, *parts: bytes, wait: float = 10) -> bytes:
    """Sends bytes as they are; returns all that comes until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as connection:
        for part in parts:
            connection.sendall(part)
        found = b""
        while received := connection.recv(65536):
            found += received
        return found
