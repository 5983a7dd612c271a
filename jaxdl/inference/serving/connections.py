"""uvicorn with what it lacks: time limits for the head of a request, a limit on its size, and a check of its host."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import orjson
import uvicorn
from starlette.middleware.trustedhost import TrustedHostMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from jaxdl.inference.serving.limits import Limits

_MOST_HEAD = 65_536  # bytes of the first line and the headers
_LOCAL_NAMES = ["127.0.0.1", "localhost", "[::1]"]


class _Connection(HttpToolsProtocol):
    """A connection whose client must send the head of each request in time, and a short one.

    uvicorn itself waits for a head without end. Only names of the parser's callbacks and of asyncio's protocol are
    overridden.
    """

    seconds: float
    _timer: asyncio.TimerHandle | None = None
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._timer = self.loop.call_later(self.seconds, self._refuse, 408, "the request did not arrive in time.")

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._timer is not None:
            self._head += len(data)
        super().data_received(data)
        # What came with the end of the head is its body.
        if self._timer is not None and self._head > _MOST_HEAD:
            self._refuse(431, "the head of the request is too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._timer is None:  # a further request of the same connection
            self._head = 0
            self._timer = self.loop.call_later(self.seconds, self._refuse, 408, "the request did not arrive in time.")

    def on_headers_complete(self) -> None:
        self._stop_timer()
        super().on_headers_complete()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: int, message: str) -> None:
        self._stop_timer()
        if self.transport.is_closing():
            return
        body = orjson.dumps({"error": message})
        head = (
            f"HTTP/1.1 {status} Refused\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


class _Server(uvicorn.Server):
    """A server that says when it listens."""

    listening: Callable[[], object]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.listening()


def server_of(app: Any, limits: Limits, local: bool, listening: Callable[[], object]) -> uvicorn.Server:
    """Returns a server for an ASGI application.

    Args:
        app: the application.
        limits: of time.
        local: whether it is reached from this machine alone. Then it answers only requests that name this machine, so
            that no page of another site reaches it under a name of its own (DNS rebinding).
        listening: called once it listens.
    """
    if local:
        app = TrustedHostMiddleware(app, _LOCAL_NAMES, www_redirect=False)
    protocol = type("_Connection", (_Connection,), {"seconds": limits.seconds})
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="on",
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, round(limits.seconds)),
        timeout_keep_alive=max(5, round(limits.seconds)),
    )
    server = _Server(config)
    server.listening = listening
    return server
