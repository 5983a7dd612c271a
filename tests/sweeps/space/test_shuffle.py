"""The random order of all combinations: each once, and drawn as often as its axes say."""

from __future__ import annotations

import numpy as np
from scipy.stats import chisquare

from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.space.shuffle import shuffled
from jaxdl.sweeps.space.space import Space
from tests.experiments.twins import twin

RECIPE = twin("mnist_mlp")


def space(**fields: str) -> Space:
    return make_space(RECIPE, fields)


def test_each_combination_comes_once_in_an_order_that_follows_from_the_seed() -> None:
    made = space(learning_rate="1e-3,1e-2,1e-1", batch_size="int(8,11)")
    order = shuffled(made, 5)
    assert sorted(order) == list(range(12)) and list(order) != list(range(12))
    assert list(order) == list(shuffled(made, 5)) != list(shuffled(made, 6))
    assert {tuple(made.at(place).values()) for place in order} == {
        (rate, size) for rate in (1e-3, 1e-2, 1e-1) for size in (8, 9, 10, 11)
    }


def test_the_order_of_a_seed_is_the_same_on_every_machine_and_in_every_version() -> None:
    assert list(shuffled(space(seed="0:8"), 0)) == [0, 1, 7, 5, 3, 6, 2, 4]


def test_places_count_as_the_grid_does() -> None:
    made = space(learning_rate="1e-3,1e-2", seed="0:3")
    assert [made.at(place) for place in range(6)] == list(made.grid())


def test_the_first_of_equal_values_is_any_of_them() -> None:
    firsts = [shuffled(space(seed="0:5"), seed)[0] for seed in range(500)]
    assert chisquare(np.bincount(firsts, minlength=5)).pvalue > 1e-3


def test_whole_numbers_of_a_logarithmic_range_come_as_their_logarithms_say() -> None:
    made = space(batch_size="log(8,15)")
    firsts = [shuffled(made, seed)[0] for seed in range(1000)]
    numbers = np.arange(8, 16)
    expected = np.log((numbers + 0.5) / (numbers - 0.5)) / np.log(15.5 / 7.5)
    assert chisquare(np.bincount(firsts, minlength=8), expected * 1000).pvalue > 1e-3
