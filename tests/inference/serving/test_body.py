"""Bodies of requests are read up to their limits, and what they hold is counted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jaxdl.inference.serving.body import Bodies
from jaxdl.inference.serving.limits import Gone, Limits, Refused


def read(bodies: Bodies, *parts: bytes | None, length: bytes | None = None) -> bytes:
    """Reads a body that comes in these parts; None: the client goes."""
    messages: list[dict[str, Any]] = [
        {"type": "http.disconnect"} if part is None else {"type": "http.request", "body": part, "more_body": True}
        for part in parts
    ]
    messages[-1]["more_body"] = False

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    return asyncio.run(bodies.read([(b"content-length", length)] if length else [], receive))


def test_a_body_is_held_until_it_is_released() -> None:
    bodies = Bodies(Limits(body=10))
    assert read(bodies, b"abc", b"", b"defg") == b"abcdefg"
    assert read(bodies, b"0123456789", length=b"10") == b"0123456789"
    assert bodies.held == 17
    bodies.release(7)
    assert bodies.held == 10


@pytest.mark.parametrize(
    ("parts", "length", "error", "message"),
    [
        ((b"",), b"11", Refused, "the body has more than 10 bytes, which is the limit"),
        ((b"01234567", b"890"), None, Refused, "the body has more than 10 bytes"),
        ((b"0123", None), b"10", Gone, None),
    ],
    ids=["by its length", "in chunks", "gone"],
)
def test_of_what_is_refused_nothing_is_held(parts: Any, length: Any, error: Any, message: Any) -> None:
    bodies = Bodies(Limits(body=10))
    with pytest.raises(error, match=message):
        read(bodies, *parts, length=length)
    assert bodies.held == 0


def test_all_bodies_together_have_a_limit() -> None:
    bodies = Bodies(Limits(body=10, held=15))
    read(bodies, b"0123456789")
    with pytest.raises(Refused, match="the server is busy") as refused:
        read(bodies, b"012345")
    assert (refused.value.status, refused.value.close, bodies.held) == (503, True, 10)


def test_a_reader_that_is_given_up_holds_nothing() -> None:
    bodies = Bodies(Limits())

    async def slow() -> None:
        messages = [{"type": "http.request", "body": b"abc", "more_body": True}]

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop()
            await asyncio.sleep(60)
            raise AssertionError

        async with asyncio.timeout(0.01):
            await bodies.read([], receive)

    with pytest.raises(TimeoutError):
        asyncio.run(slow())
    assert bodies.held == 0
