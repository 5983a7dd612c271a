"""How far the best of many lies above the mean by chance, beside tables and a simulation."""

from __future__ import annotations

import numpy as np
import pytest

from jaxdl.sweeps.results.luck import luck, most_of_normal


@pytest.mark.parametrize(("count", "mean"), [(2, 0.56419), (3, 0.84628), (10, 1.53875), (50, 2.24907), (100, 2.50759)])
def test_the_largest_of_normal_numbers_is_that_of_harters_table(count: int, mean: float) -> None:
    """Harter 1961, "Expected values of normal order statistics"."""
    assert most_of_normal(count) == pytest.approx(mean, abs=1e-5)


def test_where_all_are_equally_good_the_best_lies_where_chance_puts_it() -> None:
    random = np.random.RandomState(0)
    sweeps = [luck(random.normal(0.3, 0.02, (12, 4)).tolist()) for _ in range(300)]
    found = [each for each in sweeps if each is not None]
    assert len(found) == 300
    assert np.mean([each.found for each in found]) == pytest.approx(
        np.mean([each.expected for each in found]), rel=0.05
    )
    assert np.mean([each.noise for each in found]) == pytest.approx(0.02, rel=0.03)
    # The chance is nearly even from 0 to 1, as it must be where chance alone decides.
    assert 0.02 < np.mean([each.probability < 0.1 for each in found]) < 0.2


def test_a_combination_that_is_better_stands_out() -> None:
    random = np.random.RandomState(1)
    figures = random.normal(0.3, 0.02, (12, 4))
    figures[5] -= 0.2
    found = luck(figures.tolist())
    assert found is not None and found.probability < 1e-6 and found.found > 5 * found.expected
    assert (found.combinations, found.seeds) == (12, 4)
    assert "chance alone gives that or more in less than one in a thousand cases" in found.text()


@pytest.mark.parametrize("figures", [[], [[0.1, 0.2]], [[0.1], [0.2]], [[0.1, 0.2], [0.3]]])
def test_without_seeds_nothing_is_said(figures: list[list[float]]) -> None:
    assert luck(figures) is None


def test_without_any_noise_chance_does_nothing() -> None:
    found = luck([[0.1, 0.1], [0.2, 0.2]])
    assert found is not None and (found.noise, found.expected, found.probability) == (0.0, 0.0, 0.0)
