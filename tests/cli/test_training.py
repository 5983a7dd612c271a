"""Trainings from the command line: how they end, and the table of layers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import pytest

import jaxdl
from jaxdl.cli.options import Options
from jaxdl.cli.training import summary, train
from tests.cli.launched import QUICK, ROOT, files_below, launch
from tests.sweeps.small import RECIPE


def test_the_layer_table_is_printed_from_shapes_alone(tmp_path: Path) -> None:
    done = launch(tmp_path, "--experiment=mnist_cnn", "--mode=summary")
    assert done.returncode == 0, done.stderr
    assert "1,199,882" in done.stdout
    assert files_below(tmp_path) == []


def test_the_layer_table_of_a_model_of_ids_is_that_for_ids(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    changes = {"data": jaxdl.Addition(digits=2), "model": jaxdl.Seq2Seq(units=4, embed=3)}
    assert summary(Options(data_dir=str(tmp_path)), jaxdl.replace(RECIPE, changes), [], 0.0) == 0
    assert "(128,5,3)" in capsys.readouterr().out.replace(str(RECIPE.training.batch_size), "128")


def test_a_choice_of_devices_that_is_not_there_ends_with_2_and_leaves_nothing(tmp_path: Path) -> None:
    done = launch(tmp_path, *QUICK, "--tuning=nowhere", "--run_dir=run")
    assert done.returncode == 2
    assert "--tuning=nowhere has no choice (No such file or directory): give" in done.stderr
    assert files_below(tmp_path) == []


@pytest.mark.slow
def test_a_training_that_diverges_ends_with_1_and_says_what_to_do(tmp_path: Path) -> None:
    done = launch(tmp_path, *QUICK, "--optimizer=sgd", "--learning_rate=1e30", "--run_dir=run")
    assert done.returncode == 1
    assert "Lower --learning_rate" in done.stderr and "no longer finite: " in done.stderr
    assert "diverged" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_training_and_says_how_to_go_on(tmp_path: Path, number: int, status: int) -> None:
    arguments = ["--experiment=digits_mlp", "--epochs=100000", "--run_dir=run"]
    # Where the tests themselves run in the background, SIGINT is ignored, and a child would inherit that.
    heed = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.executable, sys.argv[1:])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", heed, sys.executable, str(ROOT / "launch.py"), *arguments],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "epoch 3/" in line:
                break
        process.send_signal(number)
        _, rest = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == status
    assert "--run_dir=run resumes from the last checkpoint" in rest
    assert "Traceback" not in rest
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["status"] == "preempted"


@pytest.mark.slow
def test_a_training_ends_in_order_when_its_time_is_over_and_resume_goes_on_with_it(tmp_path: Path) -> None:
    arguments = ["--experiment=digits_mlp", "--epochs=100000", "--max_time=8s"]
    first = launch(tmp_path, *arguments)
    assert first.returncode == 142, first.stderr
    assert "the time of --max_time is over: saving first" in first.stderr
    (run_dir,) = (tmp_path / "runs" / "digits_mlp").iterdir()
    steps = json.loads((run_dir / "summary.json").read_text())["step"]
    again = launch(tmp_path, *arguments, "--resume", "--quiet")
    assert again.returncode == 142, again.stderr
    assert f"resuming {run_dir.relative_to(tmp_path)}" in again.stderr and "epoch " not in again.stderr
    assert [*(tmp_path / "runs" / "digits_mlp").iterdir()] == [run_dir]
    assert json.loads((run_dir / "summary.json").read_text())["step"] > steps > 0
    wrong = launch(tmp_path, *QUICK, "--max_time=5steps")
    assert wrong.returncode == 2 and "max_time=5steps: must be a time such as 90s, 45min or 2h" in wrong.stderr


def shell(tmp_path: Path, redirected: str) -> int:
    """Trains for an epoch with redirected output; returns the exit status of the training itself."""
    command = (
        f"{sys.executable} {ROOT / 'launch.py'} {' '.join(QUICK)} --run_dir=run {redirected}; exit ${{PIPESTATUS[0]}}"
    )
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    return subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, check=False).returncode


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirected", "status"),
    [("2>&1 | head -1", 0), ("| true", 0), (">&-", 0), (">&- 2>&-", 0), ("> /dev/full", 2), ("2> /dev/full", 0)],
)
def test_output_that_goes_away_ends_no_training(tmp_path: Path, redirected: str, status: int) -> None:
    assert shell(tmp_path, redirected) == status
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["status"] == "completed"
    assert list((tmp_path / "run" / "checkpoints").iterdir())


def test_the_table_has_the_parameters_that_the_model_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert summary(Options(data_dir=str(tmp_path)), RECIPE, [], 0.0) == 0
    table = capsys.readouterr().out
    state = jaxdl.Trainer(RECIPE, RECIPE.data.load(tmp_path)).init_state()
    count = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    assert f"{count:,}" in table
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_training_without_a_run_directory_gets_one_below_runs_and_records_its_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["launch.py"])
    recipe = jaxdl.replace(RECIPE, {"training.fast_dev_run": True})
    assert train(Options(data_dir=str(tmp_path / "data")), recipe, ["--fast_dev_run"], 0.0) == 0
    (run_dir,) = (tmp_path / "runs" / recipe.name).iterdir()
    assert json.loads((run_dir / "record.json").read_text())["command"] == ["launch.py", "--fast_dev_run"]
    assert run_dir.name in capsys.readouterr().out


OWN = '''
"""A model that takes the logarithm of negative numbers."""

import jax.numpy as jnp
from flax import linen as nn

import jaxdl


class Own(nn.Module):
    @nn.compact
    def __call__(self, inputs, *, train=False, lengths=None):
        hidden = nn.Dense(10)(inputs.reshape(len(inputs), -1))
        return jnp.log(hidden - 1_000)


def own():
    return jaxdl.Experiment(
        name="own",
        data=jaxdl.Digits(),
        model=Own(),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.SGD(),
    )
'''


@pytest.mark.slow
def test_debug_names_the_line_of_the_model_that_makes_nan(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "own.py").write_text(OWN)
    command = [sys.executable, "-m", "jaxdl", "--experiment=own", "--fast_dev_run", "--debug"]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert "invalid value (nan) encountered in log at" in last
    assert last.endswith("own.py:14, in __call__: return jnp.log(hidden - 1_000).")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.nightly  # its smaller siblings: tests/backend/test_debugging.py
@pytest.mark.parametrize("flag", ["--debug", "JAX_DISABLE_JIT=1"])
def test_a_whole_training_runs_without_jit(tmp_path: Path, flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not flag.startswith("--"):
        monkeypatch.setenv(*flag.split("="))
    options = [flag] if flag.startswith("--") else []
    done = launch(tmp_path, "--experiment=digits_mlp", "--fast_dev_run", "--run_dir=run", *options)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert record["jax_settings"]["jax_disable_jit"] is True
    again = launch(tmp_path, "--mode=eval", "--run_dir=run", *options)
    assert again.returncode == 0, again.stderr


@pytest.mark.slow
def test_the_record_has_what_the_recipe_expects_and_what_the_command_changed(tmp_path: Path) -> None:
    done = launch(tmp_path, *QUICK, "--run_dir=run")
    assert done.returncode == 0, done.stderr
    recipe = json.loads((tmp_path / "run" / "record.json").read_text())["recipe"]
    assert recipe["expected"].startswith("Expected: test accuracy")
    changed = [flag for flag in QUICK if not flag.startswith("--experiment")]
    assert recipe["changed"] == " ".join(changed)
    text = (tmp_path / "run" / "report.html").read_text()
    assert "From the recipe: Expected: test accuracy" in text and f"This run changed {recipe['changed']}." in text
