"""The time of one repetition, measured on a clock that the test turns."""

from __future__ import annotations

from jaxdl.backend.timing import seconds_each


def test_the_cost_of_a_call_falls_away_as_calls_double() -> None:
    calls: list[int] = []

    def run(count: int) -> float:
        calls.append(count)
        return 0.5 + 0.001 * count  # half a second for each call, a millisecond for each repetition

    found = seconds_each(run, first=10, most=10_000, seconds=8.0)
    assert calls == [10, 20, 40, 80, 160, 320, 640, 1280, 2560]
    assert found == (0.5 + 2.56) / 2560


def test_no_call_is_longer_than_can_be() -> None:
    calls: list[int] = []

    def run(count: int) -> float:
        calls.append(count)
        return count / 4

    assert seconds_each(run, first=8, most=3, seconds=2.0) == 0.25
    assert calls == [3, 3, 3]
