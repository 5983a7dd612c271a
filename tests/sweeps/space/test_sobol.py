"""Quasi-random points, beside SciPy's, and the combinations that are made of them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from scipy.stats import qmc

from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.space.sobol import sobol_points
from jaxdl.sweeps.trials.schedule import planned_values
from tests.experiments.twins import twin

RECIPE = twin("mnist_mlp")


def points(dimensions: int, count: int, seed: int = 0) -> np.ndarray:
    return np.array(list(itertools.islice(sobol_points(dimensions, seed), count)))


def test_the_first_2_to_the_k_points_have_one_in_each_part_of_every_dimension() -> None:
    for count in (8, 64, 512):
        parts = np.sort((points(5, count, seed=3) * count).astype(int), axis=0)
        assert np.array_equal(parts, np.tile(np.arange(count)[:, None], 5))


def test_they_are_scipys_shifted_and_as_even() -> None:
    plain = qmc.Sobol(3, scramble=False).random(128)
    ours = points(3, 128, seed=1)
    digits = [(each * 2.0**30).astype(np.uint64) for each in (plain, ours)]
    assert len(np.unique(digits[0] ^ digits[1], axis=0)) == 1
    assert qmc.discrepancy(ours) < 0.2 * qmc.discrepancy(np.random.RandomState(0).random_sample((128, 3)))
    assert not np.array_equal(ours, points(3, 128, seed=2))


def test_a_sweep_spreads_its_values_evenly() -> None:
    fields: dict[str, Any] = {
        "learning_rate": "log(1e-4,1)",
        "batch_size": "int(16,256,step=16)",
        "optimizer": "adam,sgd",
        "eval_batch_size": "8",
    }
    del fields["eval_batch_size"]
    made = make_definition(RECIPE, make_space(RECIPE, fields), Selection("sobol", 64))
    values = planned_values(made) or []
    rates = np.log10([each["optimizer.learning_rate"] for each in values])
    assert np.histogram(rates, bins=16, range=(-4, 0))[0].tolist() == [4] * 16
    sizes = [each["training.batch_size"] for each in values]
    assert sorted(set(sizes)) == list(range(16, 257, 16)) and sizes.count(16) == 4
    assert sum(each["optimizer"] == "sgd" for each in values) == 32
    fewer = make_definition(RECIPE, make_space(RECIPE, fields), Selection("sobol", 20))
    assert planned_values(fewer) == values[:20]
