"""The command of the training that is stopped to prove its resumption."""

from __future__ import annotations

from pathlib import Path

import pytest

from jaxdl.cli.proofs import short_arguments
from tests.cli.launched import QUICK, launch
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


@pytest.mark.nightly
@pytest.mark.slow
def test_a_training_on_several_devices_that_is_killed_ends_with_the_same_bits(tmp_path: Path) -> None:
    """Its parameters are divided, and its state has a scale of the loss and an average of the parameters, too."""
    flags = ("--devices=4", "--shard=fsdp", "--accumulate=2", "--ema=0.9", "--precision=float16")
    done = launch(tmp_path, *QUICK, *flags, "--mode=verify_resume", "--kills=5", "--run_dir=proof")
    assert done.returncode == 0, done.stderr
    assert "SIGKILL" in done.stderr and "ended with the same bits" in done.stderr
