"""Measures the time of something that one call of a compiled program repeats."""

from __future__ import annotations

from collections.abc import Callable


def seconds_each(run: Callable[[int], float], first: int, most: int, seconds: float) -> float:
    """Returns the time of one repetition in seconds, measured in the longest of several calls.

    The calls double in length until they have taken `seconds` in all, so that the overhead of a call becomes
    negligible.

    Args:
        run: runs the given number of repetitions in one call, waits for them, and returns the seconds that they took.
        first: how many repetitions the first call has; the program should be compiled already.
        most: how many a call may have.
        seconds: about how long to measure.
    """
    spent, count = 0.0, min(first, most)
    while True:
        took = run(count)
        spent += took
        if spent >= seconds:
            return took / count
        count = min(2 * count, most)
