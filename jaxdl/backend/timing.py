"""Measuring what is repeated in one call of a compiled program."""

from __future__ import annotations

from collections.abc import Callable


def seconds_each(run: Callable[[int], float], first: int, most: int, seconds: float) -> float:
    """Returns the time of one repetition, of the longest of several calls, in seconds.

    The calls double in length until they have taken `seconds` in all, so that what a call costs falls away.

    Args:
        run: runs so many repetitions in one call, waits for them, and returns the seconds that they took.
        first: how many repetitions the first call has; it should be warm.
        most: how many a call can have.
        seconds: about how long to measure.
    """
    spent, count = 0.0, min(first, most)
    while True:
        took = run(count)
        spent += took
        if spent >= seconds:
            return took / count
        count = min(2 * count, most)
