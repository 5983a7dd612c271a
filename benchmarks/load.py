"""Many clients of a server at one time: each sends its next request as soon as the last one is answered."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Load:
    """What clients saw.

    Attributes:
        seconds: from sending each request to its whole answer.
        errors: answers of another status than 200, and connections that were closed, by what they said.
        duration: seconds that all took.
    """

    seconds: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    duration: float = 0.0

    def figures(self) -> dict[str, Any]:
        """Returns requests a second, percentiles in milliseconds and the errors, for JSON."""
        ordered = sorted(self.seconds) or [float("nan")]
        at = {share: 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99)}
        return {
            "requests": len(self.seconds),
            "requests_per_second": len(self.seconds) / self.duration,
            "p50_ms": at[0.5],
            "p99_ms": at[0.99],
            "slowest_ms": 1000 * ordered[-1],
            "errors": self.errors,
        }


class _Client(asyncio.Protocol):
    """One connection. It parses no more of an answer than its status and length."""

    def __init__(self, request: bytes, load: Load, until: float, done: asyncio.Future[None]):
        self._request, self._load, self._until, self._done = request, load, until, done
        self._received = b""
        self._begin = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        if head.split(b" ", 2)[1] == b"200":
            self._load.seconds.append(time.perf_counter() - self._begin)
        else:
            self._error(head.split(b"\r\n", 1)[0].decode())
        if time.perf_counter() < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, problem: Exception | None) -> None:
        if time.perf_counter() < self._until:
            self._error(f"closed: {problem}")
        if not self._done.done():
            self._done.set_result(None)

    def _send(self) -> None:
        self._received, self._begin = b"", time.perf_counter()
        self._transport.write(self._request)

    def _error(self, what: str) -> None:
        self._load.errors[what] = self._load.errors.get(what, 0) + 1


def load_of(port: int, path: str, body: bytes, clients: int, seconds: float) -> Load:
    """Returns what clients of the loopback interface see.

    Args:
        port: of the server.
        path: that they post to.
        body: of each request, JSON.
        clients: connections at one time.
        seconds: after which no more requests are sent.
    """
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    request = head.encode() + b"\r\n\r\n" + body
    load = Load()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        begin = time.perf_counter()
        ends: list[asyncio.Future[None]] = [loop.create_future() for _ in range(clients)]
        for end in ends:
            await loop.create_connection(
                lambda end=end: _Client(request, load, begin + seconds, end),  # type: ignore[misc]
                "127.0.0.1",
                port,
            )
        await asyncio.wait(ends, timeout=seconds + 60)
        load.duration = time.perf_counter() - begin
        missing = sum(not end.done() for end in ends)
        if missing:
            load.errors["never answered"] = missing

    asyncio.run(run())
    return load
