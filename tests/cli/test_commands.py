"""The table of the modes."""

from __future__ import annotations

import importlib
import inspect
import typing

import pytest

from jaxdl.cli.commands import COMMANDS
from jaxdl.cli.options import Options, option_fields


@pytest.mark.parametrize("mode", COMMANDS)
def test_a_mode_names_a_function_and_options_that_are_there(mode: str) -> None:
    command = COMMANDS[mode]
    module, _, function = command.function.partition(":")
    signature = inspect.signature(getattr(importlib.import_module(f"jaxdl.cli.{module}"), function))
    assert list(signature.parameters) == (
        ["options"] if command.of_runs else ["options", "experiment", "arguments", "begin"]
    )
    assert {*command.needs, *command.own_options} <= set(option_fields())
    assert not command.of_a_run or "run_dir" in command.needs


def test_the_modes_to_choose_from_are_those_of_the_table() -> None:
    assert typing.get_args(option_fields()["mode"].type) == tuple(COMMANDS)
    assert Options().mode in COMMANDS
