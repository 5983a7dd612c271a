"""What follows from the trials of a race of searches."""

from __future__ import annotations

import jaxdl
from benchmarks.search_race import curve, reached, space_flags, text_of
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.space.space import parse_flags
from tests.experiments.twins import twin

TRIALS = [
    {"seconds": 9.0, "figure": 0.97, "values": {}},
    {"seconds": 3.0, "figure": 0.90, "values": {}},
    {"seconds": 4.0, "figure": 0.80, "values": {}},
    {"seconds": 12.0, "figure": 0.99, "values": {}},
]


def test_a_curve_has_a_point_for_each_new_best_within_the_time() -> None:
    found = curve(TRIALS, seconds=10.0)
    assert found == [
        {"seconds": 3.0, "figure": 0.90, "tried": 1},
        {"seconds": 9.0, "figure": 0.97, "tried": 3},
    ]
    assert reached(found, 0.95) == 9.0
    assert reached(found, 0.99) is None


def test_the_space_has_six_fields_of_the_recipe() -> None:
    recipe = jaxdl.replace(twin("digits_mlp"), {"optimizer": jaxdl.AdamW()})
    space = make_space(recipe, parse_flags([flag.removeprefix("--sweep=") for flag in space_flags()]))
    assert len(space.axes) == 6


def test_a_line_says_what_was_found() -> None:
    run = {"racer": "jaxdl", "seed": 1, "tried": 40, "curve": curve(TRIALS, 10.0), "test": [0.96, 0.98]}
    assert text_of(run) == "jaxdl from seed 1: 40 settings, best 0.9700 after 9.0 s, test 0.9700 over 2 seeds"
