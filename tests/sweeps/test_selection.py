"""How trials are chosen: said once, for flags, files and Python."""

from __future__ import annotations

import inspect
import typing

import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.fields import check_value, own_fields
from jaxdl.sweeps import aims, definition
from jaxdl.sweeps.selection import Selection


def test_python_takes_what_the_flags_take_with_the_same_defaults() -> None:
    parameters = inspect.signature(jaxdl.sweep).parameters
    names = {"sweep_mode": "mode", "sweep_pairs": "pairs"}
    for field in own_fields(Selection()):
        assert parameters[names.get(field.path, field.path)].default == field.value


@pytest.mark.parametrize(
    ("field", "choices"),
    [("sweep_mode", definition.Mode), ("direction", aims.Direction), ("prune", definition.Prune)],
)
def test_the_choices_are_those_of_a_sweep_or_left_open(field: str, choices: object) -> None:
    hints = typing.get_type_hints(Selection)
    assert set(typing.get_args(hints[field])) - {""} == set(typing.get_args(choices))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("trials", -1, "trials=-1: must be at least 0"),
        ("sweep_seed", -1, "sweep_seed=-1: must be at least 0"),
        ("sweep_mode", "bayes", "unknown value for sweep_mode: 'bayes'"),
        ("prune", "asah", "Did you mean 'asha'"),
    ],
)
def test_a_value_that_is_none_of_those_possible_is_named(name: str, value: object, message: str) -> None:
    (field,) = (field for field in own_fields(Selection()) if field.path == name)
    with pytest.raises(UserError, match=message):
        check_value(field, value)
