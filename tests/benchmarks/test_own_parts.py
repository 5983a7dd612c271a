"""The benchmark of own parts: what it compares computes the same."""

from __future__ import annotations

import pytest

from benchmarks import own_parts


@pytest.mark.parametrize("name", ["loss", "optimizer", "schedule", "model"])
def test_the_sides_of_a_pair_differ_in_the_part_alone(name: str) -> None:
    own, built_in = (own_parts.recipe(changes) for changes in own_parts.PAIRS[name])
    assert own.training == built_in.training and own != built_in


def test_all_together_has_each_part_of_each_pair() -> None:
    own, built_in = own_parts.together(list(own_parts.PAIRS.values()))
    assert own.keys() == built_in.keys() == {"objective", "optimizer", "optimizer.schedule", "augmentation", "model"}


def test_a_line_has_medians_and_ranges() -> None:
    times = {"median": 2.0, "min": 1.0, "max": 3.0}
    assert own_parts.line("loss", {"own": times, "built_in": times, "ratio": times}).split() == [
        "loss",
        *(["2.000", "[1.000,", "3.000]"] * 3),
    ]
