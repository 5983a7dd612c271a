"""The command of the training that is stopped to prove its resumption."""

from __future__ import annotations

import pytest

from jaxdl.cli.proofs import short_arguments
from tests.sweeps.small import RECIPE


@pytest.mark.parametrize(
    ("arguments", "kept", "added"),
    [
        (["--experiment=x"], ["--experiment=x"], ["--training.epochs=2", "--checkpoint.every=1s"]),
        (
            ["--experiment=x", "--epochs=5", "--mode=verify_resume", "--kills", "3"],
            ["--experiment=x", "--epochs=5"],
            ["--checkpoint.every=1s"],
        ),
        (["--checkpoint.every=9steps", "--training.epochs", "1"],) * 2 + ([],),
        (["-run_dir", "r", "--noxla_flags", "-epochs=1"], ["--noxla_flags", "-epochs=1"], ["--checkpoint.every=1s"]),
    ],
)
def test_the_training_is_short_where_the_command_does_not_say_how_long(
    arguments: list[str], kept: list[str], added: list[str]
) -> None:
    assert short_arguments(arguments, RECIPE) == [*kept, *added]
