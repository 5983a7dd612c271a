"""Where arrays lie on several devices; `tests.devices` compares trainings on them."""

from __future__ import annotations

from pathlib import Path

import jax
import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.steps.layout import check_divides, devices_named, layout_of
from jaxdl.training.programs import program_key


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"devices": 3, "batch_size": 100}, r"--batch_size=100 .* 3 devices of --devices=3; .* --batch_size=99 or 102"),
        ({"mesh": "data:8", "batch_size": 4}, r"--batch_size=4 .* 8 devices of --mesh=data:8; .* --batch_size=8"),
        ({"mesh": "data:2", "devices": 4}, r"--mesh=data:2 has 2 devices, and --devices=4"),
        ({"devices": 64, "batch_size": 64}, r"--devices=64: there .*jax_num_cpu_devices"),
        ({"shard": "rules"}, r"--shard=rules .* --mesh=data:4,model:2"),
        ({"mesh": "data:2,model:2"}, r"nothing lies along the axis model .*--shard=rules, or --mesh=data:4"),
        ({"mesh": "model:2", "shard": "fsdp"}, "nothing lies along the axis model"),
    ],
)
def test_devices_that_cannot_share_the_batch_are_refused_with_the_way_out(
    fields: dict[str, object], problem: str
) -> None:
    with pytest.raises(UserError, match=problem):
        layout_of(jaxdl.Training(**fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("fields", [{}, {"devices": 1}, {"mesh": "data:1"}, {"shard": "fsdp"}])
def test_one_device_has_no_layout_and_the_programs_of_before(recipe: jaxdl.Experiment, fields: dict[str, str]) -> None:
    assert len(jax.local_devices()) == 1
    other = jaxdl.replace(recipe, {f"training.{name}": value for name, value in fields.items()})
    assert layout_of(other.training) is None
    assert program_key(other) == program_key(recipe)
    dataset = other.data.load(Path(), print)
    text = jaxdl.Trainer(other, dataset).programs.source_text("train")
    assert text == jaxdl.Trainer(recipe, dataset).programs.source_text("train")
    assert "@mesh" not in text  # XLA is told of no device


def test_a_batch_is_divided_where_each_device_gets_as_many_examples() -> None:
    check_divides(96, (("data", 3), ("model", 5)), "")
    check_divides(7, (("model", 5),), "")
    with pytest.raises(UserError):
        check_divides(95, (("data", 3),), "")


@pytest.mark.parametrize(
    ("fields", "count"), [({}, 1), ({"devices": 3}, 3), ({"mesh": "model:2,data:3"}, 6), ({"shard": "fsdp"}, 1)]
)
def test_how_many_devices_a_recipe_names(fields: dict[str, object], count: int) -> None:
    assert devices_named(jaxdl.Training(**fields)) == count  # type: ignore[arg-type]
