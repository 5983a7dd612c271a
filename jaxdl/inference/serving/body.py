"""Reads the body of a request, and no more of it than the limits allow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from jaxdl.inference.serving.limits import Gone, Limits, Refused, overloaded

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Bodies:
    """The bodies of all requests that are in memory.

    Args:
        limits: of one body, and of all of them.

    Attributes:
        held: bytes of them together.
    """

    def __init__(self, limits: Limits):
        self._limits = limits
        self.held = 0

    async def read(self, headers: Iterable[tuple[bytes, bytes]], receive: Receive) -> bytes:
        """Returns a body, which is held until `release` is called with its size.

        Args:
            headers: of the request, names in lower case.
            receive: ASGI's.

        Raises:
            Refused: it is too large, or all bodies together are.
            Gone: the client closed the connection.
        """
        length = next((value for name, value in headers if name == b"content-length"), b"0")
        if length.isdigit() and int(length) > self._limits.body:
            raise self._too_large()
        parts: list[bytes] = []
        size = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                part = message.get("body", b"")
                size += len(part)
                self.held += len(part)
                parts.append(part)
                if size > self._limits.body:  # a request in chunks does not say its length before
                    raise self._too_large()
                if self.held > self._limits.held:
                    refused = overloaded(f"requests of {self.held:,} bytes are in memory")
                    refused.close = True
                    raise refused
                if not message.get("more_body", False):
                    return parts[0] if len(parts) == 1 else b"".join(parts)
        except BaseException:  # a request that took too long is cancelled
            self.held -= size
            raise

    def release(self, size: int) -> None:
        """Says that a body of so many bytes is no longer in memory."""
        self.held -= size

    def _too_large(self) -> Refused:
        return Refused(413, f"the body has more than {self._limits.body:,} bytes, which is the limit.", close=True)
