"""Sweeps from the command line and from a file: what is shown, what is refused, and with which status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

LAUNCH = Path(__file__).resolve().parents[2] / "launch.py"


def launch(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(LAUNCH), "--experiment=digits_mlp", "--epochs=1", "--platform=cpu", *flags]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.slow
def test_a_sweep_ends_with_its_table_and_the_best_command(tmp_path: Path) -> None:
    flags = ("--sweep=learning_rate=1e-3,1e-2", "--sweep", "seed=0:2", "--sweep_objective=validation/accuracy")
    done = launch(tmp_path, *flags)
    assert done.returncode == 0, done.stderr
    assert "4 trials (grid), compared by validation/accuracy (maximize)" in done.stderr
    assert "to compile: 1 train and 1 eval program\n" in done.stderr
    assert "± " in done.stdout and "digits" in done.stdout
    (sweep_dir,) = (tmp_path / "runs" / "digits_mlp").iterdir()
    summary = json.loads((sweep_dir / "summary.json").read_text())
    assert summary["status"] == "completed" and summary["compiled"]["eval"] == 1
    again = next(line for line in done.stdout.splitlines() if line.startswith("again"))
    assert "python launch.py --experiment=digits_mlp --epochs=1 --platform=cpu --optimizer.learning_rate=" in again
    assert "--sweep" not in again
    record = json.loads((sweep_dir / "trials" / "0003" / "record.json").read_text())
    assert record["command"][-1] == f"--run_dir={sweep_dir / 'trials' / '0003'}"
    # The same command takes up the same sweep, and finds it finished.
    second = launch(tmp_path, *flags)
    assert second.returncode == 0 and "trial 0 completed" not in second.stderr
    assert second.stdout.splitlines()[:8] == done.stdout.splitlines()[:8]


@pytest.mark.nightly
@pytest.mark.slow
def test_trials_side_by_side_each_have_their_devices(tmp_path: Path) -> None:
    flags = ("--sweep=learning_rate=1e-3,1e-2", "--devices=2", "--shard=fsdp", "--sweep_batch=2", "--sweep_dir=s")
    done = launch(tmp_path, *flags)
    assert done.returncode == 0, done.stderr
    for trial in ("0000", "0001"):
        record = json.loads((tmp_path / "s" / "trials" / trial / "record.json").read_text())
        assert record["layout"] == {"devices": 2, "mesh": "data:2", "shard": "fsdp"}
        assert record["side_by_side"] == 2
        assert json.loads((tmp_path / "s" / "trials" / trial / "summary.json").read_text())["status"] == "completed"


@pytest.mark.slow
def test_a_failed_trial_gives_status_1_and_stops_if_asked_to(tmp_path: Path) -> None:
    flags = ("--optimizer=sgd", "--sweep=learning_rate=1e30,1e-2", "--sweep_batch=off", "--sweep_dir=s")
    stopped = launch(tmp_path, *flags, "--on_failure=stop")
    assert stopped.returncode == 1, stopped.stderr
    assert "trial 0 failed, so the sweep stops (on_failure=stop): diverged at step " in stopped.stderr
    assert "The same command continues it with the other trials.\n" in stopped.stderr
    assert "1 of 2 trials are finished, in s." in stopped.stderr
    assert "trials           1 failed, 1 left" in stopped.stdout
    whole = launch(tmp_path, *flags, "--on_failure=stop")
    assert whole.returncode == 1, whole.stderr
    assert "trials           1 completed, 1 failed\n" in whole.stdout
    again = launch(tmp_path, *flags)
    assert again.returncode == 1 and "all 2 trials of the sweep in s are finished" in again.stderr


@pytest.mark.slow
def test_dry_run_shows_the_plan_and_writes_nothing(tmp_path: Path) -> None:
    done = launch(
        tmp_path, "--sweep=learning_rate=log(1e-4,1e-1)", "--sweep=model.features=8,16", "--trials=20", "--dry_run"
    )
    assert done.returncode == 0 and done.stdout == ""
    assert "20 trials (random)" in done.stderr and "to compile: 2 train and 2 eval programs" in done.stderr
    assert "estimated time: " in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--trials=5",), "--trials only applies to sweeps"),
        (("--sweep=seed=0:2", "--run_dir=x"), "--run_dir is for one run"),
        (("--sweep=seed=0:2", "--debug"), "--debug is for one run"),
        (("--sweep=seed=0:2", "--mode=summary"), "does not work with --mode=summary"),
        (("--sweep=sead=0:2",), "Did you mean seed?"),
        (("--sweep=seed",), "write --sweep=FIELD=VALUES"),
        (("--sweep=seed=0:2", "--budget=3epochs"), "must be a time"),
        (("--sweep=seed=0:2", "--sweep_batch=some"), "must be int|auto|off"),
        (("--sweep=seed=0:2", "--sweep_objective=test/accuracy"), "test split"),
        (
            ("--sweep=seed=0:2", "--objective=validation/accuracy"),
            "what a sweep compares trials by is --sweep_objective=validation/accuracy.",
        ),
        (("--sweep=seed=0:2", "--extend"), "there is no sweep in"),
        (("--sweep_file=none.toml",), "none.toml"),
        (
            ("--sweep=optimizer=adam,sgd", "--learning_rate=0.5"),
            "--learning_rate is a field of the optimizer, which the sweep chooses",
        ),
        (("--sweep=optimizer=adam,sgd", "--optimizer=sgd"), "the sweep chooses optimizer, so leave it out"),
        (("--sweep=seed=0:2", "--workers=2", "--sweep_batch=4"), "--workers=2 and --sweep_batch=4 both say how many"),
        (("--sweep=seed=0:2", "--trial_devices=2"), "trial_devices=2 only applies to executor=processes or ray"),
        (("--sweep=eval_batch_size=8,16",), "no result depends on training.eval_batch_size"),
        (("--sweep=batch_size=8,16", "--sweep_if=batch_size <"), "--sweep_if=batch_size <: it ends too early"),
        (("--sweep_pairs=none.csv",), "none.csv"),
        (("--sweep_if=batch_size < 3",), "--sweep_if only applies to sweeps"),
    ],
)
def test_what_is_wrong_ends_with_status_2_and_one_line(tmp_path: Path, flags: tuple[str, ...], message: str) -> None:
    done = launch(tmp_path, *flags)
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1 and list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_recorded_command_keeps_all_but_the_sweep(tmp_path: Path) -> None:
    flags = ("--optimizer=sgd", "--momentum=0.9", "--nesterov", "--seed=3", "--sweep=nesterov=true,false")
    done = launch(tmp_path, *flags, "--sweep_dir=s", "--sweep_batch=off")
    assert done.returncode == 0, done.stderr
    command = json.loads((tmp_path / "s" / "trials" / "0001" / "record.json").read_text())["command"]
    assert command[4:-1] == ["--optimizer=sgd", "--momentum=0.9", "--seed=3", "--optimizer.nesterov=false"]
