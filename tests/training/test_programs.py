"""The compiled programs of a recipe, and what they depend on."""

from __future__ import annotations

import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.training.programs import program_key
from tests.small import blobs


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer.learning_rate": 0.5},
        {"model.dropout": 0.3},
        {"seed": 9},
        {"training.watch": "train/loss"},
        {"training.patience": 3},
        {"checkpoint.every": "1h"},
    ],
)
def test_traced_fields_and_those_of_the_loop_change_no_program(
    recipe: jaxdl.Experiment, changes: dict[str, object]
) -> None:
    assert program_key(jaxdl.replace(recipe, changes)) == program_key(recipe)


@pytest.mark.parametrize(
    "changes",
    [
        {"model.features": (8,)},
        {"model.dropout": 0.0},
        {"training.batch_size": 7},
        {"training.eval_batch_size": 7},
        {"training.epochs": 3},
        {"optimizer": jaxdl.SGD()},
        {"data.validation": 0.3},
        {"metrics": ()},
    ],
)
def test_static_fields_and_whether_a_traced_one_is_there_change_them(
    recipe: jaxdl.Experiment, changes: dict[str, object]
) -> None:
    assert program_key(jaxdl.replace(recipe, changes)) != program_key(recipe)


def test_a_program_is_compiled_once_and_says_how_long_that_took(recipe: jaxdl.Experiment) -> None:
    programs = jaxdl.Trainer(recipe, blobs()).programs
    assert not programs.present
    program, seconds = programs.get("init")
    assert seconds > 0
    assert programs.get("init") == (program, 0.0)
    assert list(programs.present) == ["init"]


def test_the_numbers_that_a_program_reads_are_told(recipe: jaxdl.Experiment) -> None:
    reads = jaxdl.Trainer(recipe, blobs()).programs.reads()
    assert {"optimizer.learning_rate", "model.dropout"} <= reads


def test_more_steps_than_an_int32_counts_are_refused(recipe: jaxdl.Experiment) -> None:
    with pytest.raises(UserError, match="more than can be counted"):
        jaxdl.Trainer(jaxdl.replace(recipe, {"training.epochs": 2**31}), blobs())
