"""How much a server takes from its clients, and what it says to those who send more."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a server takes. What is beyond is refused with a status of HTTP, and does not touch other requests.

    Attributes:
        body: bytes of the body of one request; 413.
        decoded: pixels of a picture, or numbers of a sound in all its channels, before they are brought to the model's
            size; 413. A file of a few bytes can hold many.
        seconds: for a request to arrive, 408, and then for its answer, 503.
        waiting: examples of all requests together that wait to be predicted, 503; also the most of one request, 413.
        held: bytes of all bodies together that are in memory at one time; 503.
    """

    body: int = 10_000_000
    decoded: int = 50_000_000
    seconds: float = 30.0
    waiting: int = 4_096
    held: int = 256_000_000


class Refused(Exception):
    """A request that is not answered with predictions.

    Attributes:
        status: of HTTP.
        message: one line: the cause, and the way out.
        close: whether the connection is closed after the answer, because the rest of the request is not read.
    """

    def __init__(self, status: int, message: str, *, close: bool = False):
        super().__init__(message)
        self.status = status
        self.message = message
        self.close = close


class Gone(Exception):
    """The client closed its connection before its request was complete."""


def overloaded(what: str) -> Refused:
    """Returns the refusal of a request that could be answered later."""
    return Refused(503, f"the server is busy: {what}; try again in a moment.")
