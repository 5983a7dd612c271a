"""Sweeps in a TOML file: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from jaxdl.cli.sweep_file import read_sweep_file
from jaxdl.errors import UserError
from tests.cli.test_sweep import launch


@pytest.mark.slow
def test_a_file_says_what_flags_say(tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(
        'sweep_mode = "random"\ntrials = 6\nsweep_objective = "validation/accuracy"\nretries = 0\n'
        '[fields]\nlearning_rate = "log(1e-4,1e-1)"\n"model.features" = [64, [32, 16]]\nseed = "0:3"\n'
    )
    assert read_sweep_file(file) == {
        "sweep_mode": "random",
        "trials": 6,
        "sweep_objective": "validation/accuracy",
        "retries": 0,
        "sweep": ("learning_rate=log(1e-4,1e-1)", "model.features=64,(32,16)", "seed=0:3"),
    }
    # What the command line says counts, even where it is the default, and by whichever of its names a field goes.
    flags = ("--sweep=optimizer.learning_rate=1e-3,1e-2", "--retries=1", "--trials=9", "--dry_run")
    done = launch(tmp_path, f"--sweep_file={file}", *flags)
    assert done.returncode == 0, done.stderr
    assert "model.features=64,(32,16), seed=0:3, optimizer.learning_rate=1e-3,1e-2" in done.stderr
    assert "9 trials (random)" in done.stderr


def test_conditions_and_known_settings_may_be_one_or_several(tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(
        "sweep_if = 'batch_size < 64, or so'\nenqueue = ['batch_size=8 seed=1', 'batch_size=16']\n"
        "sweep_pairs = 'pairs.csv'\n"
    )
    assert read_sweep_file(file) == {
        "sweep_if": ("batch_size < 64, or so",),
        "enqueue": ("batch_size=8 seed=1", "batch_size=16"),
        "sweep_pairs": "pairs.csv",
        "sweep": (),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sweep_mode = ", "is not valid TOML"),
        ("sweep_mode = 'grid'", "no table [fields]"),
        ("fields = 3", "no table [fields]"),
        ("trails = 3\n[fields]\nseed='0:2'", "Did you mean 'trials'"),
        ("trials = 'many'\n[fields]\nseed='0:2'", "trials=many: must be int"),
        ("objective = 'train/loss'\n[fields]\nseed='0:2'", 'compares trials by is sweep_objective = "train/loss".'),
        ("[fields]\nmodel.features = [8]", 'write dotted fields in quotes: "model.features"'),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(text)
    with pytest.raises(UserError) as error:
        read_sweep_file(file)
    assert message in str(error.value)
