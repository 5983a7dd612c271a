"""Directories that an earlier jaxdl wrote (commit 4cddcd0): read, evaluated and continued as if it had been this one.

``finished`` and ``unfinished`` are of one command, ``sweep_finished`` and ``sweep_unfinished`` of another. A SIGKILL
ended the unfinished run while it saved step 189; its last whole checkpoint is that of step 100, within an epoch. A
SIGKILL ended the unfinished sweep in the second of its three trials. What the finished ones hold is what must come of
them. Reports were left out, and paths made relative.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.record import read_config, read_record, read_summary

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ["--experiment=digits_mlp", "--model.features=8", "--batch_size=64", "--checkpoint.keep=1"]
RUN = [*RECIPE, "--epochs=30", "--checkpoint.every=100steps"]
SWEEP = [*RECIPE, "--epochs=4", "--checkpoint.every=10steps", "--sweep=learning_rate=1e-3,1e-2,1e-1"]
# Of losses and shares of examples, after some hundred steps on a processor or a JAX that rounds otherwise.
ROUNDING = 0.03


def unpacked(name: str, folder: Path) -> Path:
    with tarfile.open(Path(__file__).with_name(f"{name}.tar.gz")) as archive:
        archive.extractall(folder, filter="data")
    return folder / name


def launch(*arguments: str) -> str:
    """Runs the command line; returns what it says."""
    command = [sys.executable, str(ROOT / "launch.py"), *arguments, "--platform=cpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr + done.stdout


def numbers(metrics: dict[str, Any]) -> dict[str, float]:
    """Returns the figures that are one number: loss, accuracy and F1 of each split."""
    return {name: value for name, value in metrics.items() if isinstance(value, float)}


def digits_mlp() -> jaxdl.Experiment:
    return jaxdl.load_experiment("digits_mlp", ROOT / "experiments")


def test_a_finished_run_is_evaluated_to_its_figures(tmp_path: Path) -> None:
    run_dir = unpacked("finished", tmp_path)
    recipe = jaxdl.from_config(read_config(run_dir), digits_mlp())
    expected = numbers(read_summary(run_dir)["metrics"])
    found = numbers(jaxdl.evaluate(run_dir, recipe, tmp_path)["metrics"])
    assert {"validation/loss", "validation/accuracy", "test/loss", "test/accuracy", "test/f1"} <= found.keys()
    # The parameters are given, so that only the rounding of one forward pass may be another.
    assert found == pytest.approx({name: expected[name] for name in found}, rel=1e-5)


def test_a_finished_run_is_left_as_it_is(tmp_path: Path) -> None:
    run_dir = unpacked("finished", tmp_path)
    recipe = jaxdl.from_config(read_config(run_dir), digits_mlp())
    before = {path: path.read_bytes() for path in run_dir.rglob("[!.]*") if path.is_file()}  # but for the lock
    said: list[str] = []
    assert jaxdl.train(recipe, run_dir=run_dir, data_dir=tmp_path, notify=said.append) == read_summary(run_dir)
    assert "it is finished" in " ".join(said)
    assert before == {path: path.read_bytes() for path in before}


@pytest.mark.slow
def test_an_unfinished_run_ends_as_one_that_ran_through(tmp_path: Path) -> None:
    """To the bit where this machine rounds as that one did, which a run of the whole command tells; else roughly."""
    expected, run_dir = read_summary(unpacked("finished", tmp_path)), unpacked("unfinished", tmp_path)
    launch(*RUN, f"--run_dir={run_dir}")
    assert len(read_record(run_dir)["resumptions"]) == 1
    continued = read_summary(run_dir)
    assert (continued["status"], continued["step"], continued["epoch"]) == ("completed", 630, 30)
    assert numbers(continued["metrics"]) == pytest.approx(numbers(expected["metrics"]), abs=ROUNDING)
    launch(*RUN, f"--run_dir={tmp_path / 'whole'}")
    if read_summary(tmp_path / "whole")["params_sha256"] == expected["params_sha256"]:
        assert continued["params_sha256"] == expected["params_sha256"]
        assert (run_dir / "metrics.jsonl").read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()


def test_a_finished_sweep_is_read(tmp_path: Path) -> None:
    sweep_dir = unpacked("sweep_finished", tmp_path)
    results = jaxdl.load_sweep(sweep_dir, digits_mlp())
    assert results.status == "completed" and [trial.state for trial in results.trials] == ["completed"] * 3
    assert [trial.values for trial in results.trials] == [
        {"optimizer.learning_rate": rate} for rate in (0.001, 0.01, 0.1)
    ]
    assert results.best is not None and results.best.number == read_summary(sweep_dir)["best"]["trial"]
    for trial in results.trials:
        summary = read_summary(sweep_dir / "trials" / f"{trial.number:04}")
        assert trial.outcome is not None and trial.outcome.objective == summary["metrics"]["validation/loss"]
        assert trial.outcome.params_sha256 == summary["params_sha256"]


@pytest.mark.slow
def test_an_unfinished_sweep_goes_on_with_the_same_command(tmp_path: Path) -> None:
    whole = jaxdl.load_sweep(unpacked("sweep_finished", tmp_path), digits_mlp())
    sweep_dir = unpacked("sweep_unfinished", tmp_path)
    first = (sweep_dir / "trials" / "0000" / "summary.json").read_bytes()
    launch(*SWEEP, "--sweep_batch=off", f"--sweep_dir={sweep_dir}")
    results = jaxdl.load_sweep(sweep_dir, digits_mlp())
    assert [trial.state for trial in results.trials] == ["completed"] * 3
    assert (sweep_dir / "trials" / "0000" / "summary.json").read_bytes() == first, "it was run again"
    for expected, found in zip(whole.trials, results.trials, strict=True):
        assert expected.outcome is not None and found.outcome is not None
        assert found.values == expected.values
        assert numbers(found.outcome.metrics) == pytest.approx(numbers(expected.outcome.metrics), abs=ROUNDING)
