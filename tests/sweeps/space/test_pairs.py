"""Combinations that are tried as they stand, from Python and from a CSV file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jaxdl.errors import UserError
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import from_json
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.pairs import checked_rows, joint_axis, read_pairs, row_text
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.trials.schedule import check_values, planned_values
from tests.experiments.twins import twin

RECIPE = twin("mnist_mlp")
ROWS = [
    {"learning_rate": 1e-3, "batch_size": 16, "model.features": [8]},
    {"learning_rate": 3e-3, "batch_size": 64, "model.features": (16, 8)},
    {"learning_rate": 1e-3, "batch_size": 64, "model.features": 8},
]
READ = [(1e-3, 16, (8,)), (3e-3, 64, (16, 8)), (1e-3, 64, (8,))]
PATHS = ("optimizer.learning_rate", "training.batch_size", "model.features")


def as_rows(values: list[dict[str, Any]] | None) -> list[tuple[Any, ...]]:
    return [tuple(each[path] for path in PATHS) for each in values or []]


def test_they_are_tried_as_they_stand_with_every_value_of_the_other_fields(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text('learning_rate, batch_size, model.features\n1e-3,16,8\n0.003,64,"16,8"\n\n1e-3,64,(8)\n')
    for rows in (ROWS, read_pairs(file)):
        made = make_definition(RECIPE, make_space(RECIPE, {"seed": "0:2"}, pairs=rows), Selection())
        values = planned_values(made)
        assert as_rows(values) == [row for row in READ for _ in range(2)]
        assert [each["seed"] for each in values or []] == [0, 1] * 3
        read = from_json(made.to_json(), RECIPE)
        assert planned_values(read) == values and read.digest() == made.digest()
        assert made.space.specs() == {"seed": "0:2"}


@pytest.mark.parametrize("mode", ["random", "sobol"])
def test_they_are_drawn_as_one(mode: Any) -> None:
    space = make_space(RECIPE, {"weight_decay": "0,0.1", "optimizer": "adamw"}, ["batch_size > 16"], ROWS)
    assert space.size == 4
    made = make_definition(RECIPE, space, Selection(mode, 4))
    values = planned_values(made)
    assert sorted(as_rows(values)) == sorted([*READ[1:], *READ[1:]])
    assert all(space.made_of(space.chosen_for(each)) == each for each in values or [])


def test_a_field_that_a_row_leaves_open_keeps_the_recipes_value() -> None:
    rows = [{"optimizer": "adam"}, {"optimizer": "sgd", "momentum": 0.9}, {"optimizer": "sgd", "momentum": "0.5"}]
    made = make_definition(RECIPE, make_space(RECIPE, {}, pairs=rows), Selection())
    check_values(made)
    assert planned_values(made) == [
        {"optimizer": "adam"},
        {"optimizer": "sgd", "optimizer.momentum": 0.9},
        {"optimizer": "sgd", "optimizer.momentum": 0.5},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "write the fields' names in the first line"),
        ("learning_rate\n", "write the fields' names in the first line"),
        ("learning_rate,batch_size\n1e-3\n", "line 2 has 1 cells, not 2"),
        ("learning_rate,learning_rate\n1,2\n", "names each field once"),
        ('learning_rate\n"1e-3\n', "is no CSV file"),
        ("learning_rate\n\xff\n", "must be float"),
        ("learning_rat\n1e-3\n", "Did you mean learning_rate?"),
        ("learning_rate\n-1\n", "must be greater than 0"),
        ("seed\n1\n", "given twice"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message) as refused:
        make_space(RECIPE, {"seed": "0:2"}, pairs=read_pairs(file))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("rows", ["seed", {"seed": 1}, [3], [{}], [{3: 4}]])
def test_what_is_no_list_of_combinations_is_named(rows: Any) -> None:
    with pytest.raises(UserError, match="pairs: "):
        checked_rows(rows)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.csv"):
        read_pairs(tmp_path / "none.csv")


def test_rows_are_the_values_of_one_axis() -> None:
    rows = ((("a", 1), ("b", (2, 3))), (("a", 2),))
    assert joint_axis(rows).count == 2 and joint_axis(rows).at(1) == rows[1]
    assert row_text(rows[0]) == "a=1 b=2,3"
