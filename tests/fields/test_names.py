"""Names of fields and of parts, as a user writes them."""

from __future__ import annotations

import jaxdl
from jaxdl.data import Bits, Tfds
from jaxdl.fields import choose, settable, short_names, walk
from tests.sweeps.small import RECIPE


def test_a_last_name_stands_for_its_path_where_just_one_has_it() -> None:
    paths = ["seed", "a.final", "b.final", "b.rate", "b.mode"]
    assert short_names(paths) == {"seed": "seed", "rate": "b.rate", "mode": "b.mode"}
    assert short_names(paths, reserved={"mode"}) == {"seed": "seed", "rate": "b.rate"}


def test_parts_of_a_fixed_type_and_the_name_are_not_settable() -> None:
    paths = {field.path for field in settable(RECIPE)}
    assert {"optimizer", "optimizer.learning_rate", "training.epochs", "checkpoint.keep", "augmentation"} <= paths
    assert not {"name", "training", "checkpoint"} & paths


def chosen(present: jaxdl.Data, name: str) -> object:
    recipe = jaxdl.replace(RECIPE, {"data": present})
    return choose(next(field for field in walk(recipe) if field.path == "data"), name)


def test_a_chosen_part_keeps_the_values_of_one_of_its_type() -> None:
    present = Tfds("mnist", fallback="none", validation=0.2)
    assert chosen(present, "fashion_mnist") == Tfds("fashion_mnist", fallback="none", validation=0.2)
    assert chosen(present, "tfds") == present
    assert chosen(present, "bits") == Bits()
    assert chosen(Bits(length=9), "emnist/letters") == Tfds("emnist/letters")
