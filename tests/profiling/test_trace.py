"""How a window of time divides among what ran in it."""

from __future__ import annotations

from jaxdl.profiling.trace import Execution, divide


def test_each_instant_goes_to_what_runs_then() -> None:
    executions = [
        Execution("loop", 10, 70),
        Execution("a", 10, 30),
        Execution("b", 20, 40),  # on another thread, beside a
        Execution("a", 50, 60),
        Execution("elsewhere", 200, 300),
    ]
    division = divide([(0, 90), (100, 110)], executions, [(5, 80)], {"loop"})
    assert division.operations == {"a": 10 + 5 + 10, "b": 5 + 10}
    assert division.runs == {"a": 2, "b": 1}
    assert division.between == 5 + 10 + 20
    assert division.waiting == 5 + 10 + 10
    assert sum(division.operations.values()) + division.between + division.waiting == 90 + 10


def test_time_outside_the_sections_does_not_count() -> None:
    division = divide([(10, 20)], [Execution("a", 0, 12), Execution("a", 18, 30)], [(0, 30)], set())
    assert division.operations == {"a": 4}
    assert (division.between, division.waiting) == (6, 0)
