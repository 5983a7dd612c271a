"""What the trainings of one process share."""

from __future__ import annotations

from pathlib import Path

import jaxdl
from jaxdl.training.cache import Cache, data_key


def test_recipes_that_differ_in_traced_fields_share_data_and_programs(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    cache = Cache(tmp_path, print)
    fitted = recipe.for_spec(cache.dataset(recipe).spec)
    one = cache.trainer(fitted)
    other = cache.trainer(jaxdl.replace(fitted, {"optimizer.learning_rate": 0.5, "seed": 7}))
    assert one.programs is other.programs and one.feed.data is other.feed.data
    assert (other.feed.seed, other.experiment.optimizer.learning_rate) == (7, 0.5)
    one.compile()
    other.compile()
    assert one.compile_seconds > 0 == other.compile_seconds
    assert cache.compiled() == {"train": 1, "eval": 1}
    wider = cache.trainer(jaxdl.replace(fitted, {"model.features": (8,)}))
    assert wider.programs is not one.programs and wider.feed.data is one.feed.data


def test_another_data_set_takes_the_place_of_the_last_one(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    cache = Cache(tmp_path, print)
    first = cache.dataset(recipe)
    assert cache.dataset(recipe) is first
    cache.trainer(recipe.for_spec(first.spec)).compile()
    assert cache.dataset(jaxdl.replace(recipe, {"data.validation": 0.2})) is not first
    assert cache.compiled() == {"train": 1, "eval": 1}, "what was compiled before still counts"


def test_what_decides_about_the_data_is_the_source_and_what_is_left_of_it(recipe: jaxdl.Experiment) -> None:
    same = {"optimizer.learning_rate": 0.5, "training.batch_size": 7, "checkpoint.every": "1h", "model.features": (3,)}
    for path, value in same.items():
        assert data_key(jaxdl.replace(recipe, {path: value})) == data_key(recipe), path
    cut = jaxdl.replace(recipe, {"training.overfit_batches": 1})
    other = [
        jaxdl.replace(recipe, {"data": jaxdl.Bits()}),
        jaxdl.replace(recipe, {"data.validation": 0.3}),
        cut,
        jaxdl.replace(cut, {"training.batch_size": 7}),
        jaxdl.replace(recipe, {"training.fast_dev_run": True}),
    ]
    assert len({data_key(each) for each in (recipe, *other)}) == 6
