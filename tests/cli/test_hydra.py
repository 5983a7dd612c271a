"""A command line as Hydra takes it is answered with the one to write."""

from __future__ import annotations

import pytest

from jaxdl.cli.argv import tokens
from jaxdl.cli.hydra import refuse_hydra
from jaxdl.errors import UserError


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--experiment=x", "--multirun", "learning_rate=1e-3,1e-2", "optimizer=sgd"],
            "--experiment=x --sweep=learning_rate=1e-3,1e-2 --optimizer=sgd",
        ),
        (["--experiment=x", "-m", "seed=range(3)"], "--experiment=x '--sweep=seed=range(3)'"),
        (
            ["--experiment=x", "-m", "learning_rate=interval(0.1,1)"],
            "--experiment=x '--sweep=learning_rate=interval(0.1,1)' --trials=N",
        ),
        (["--experiment=x", "-m", "model.features=[64],[32,16]"], "'--sweep=model.features=(64),(32,16)'"),
        (["--experiment=x", "-m", "++model.features=[32,16]"], "'--model.features=(32,16)'"),
        (["--experiment=x", "--multirun"], "--experiment=x --sweep=FIELD=VALUES"),
        (["--experiment=x", "learning_rate=1e-3"], "--experiment=x --learning_rate=1e-3"),
        (["--experiment=x", "learning_rate=1e-3,1e-2"], "--experiment=x --sweep=learning_rate=1e-3,1e-2"),
    ],
)
def test_the_line_to_write_is_in_the_message(arguments: list[str], line: str) -> None:
    with pytest.raises(UserError) as refused:
        refuse_hydra(tokens(arguments, set()))
    assert str(refused.value).endswith(line)


@pytest.mark.parametrize("arguments", [["--experiment=x", "--sweep", "seed=0:2"], ["--epochs", "3"], ["word"]])
def test_our_own_command_lines_pass(arguments: list[str]) -> None:
    refuse_hydra(tokens(arguments, set()))
