"""Profiles: what a run with ``--profile`` leaves and prints, and how its figures are made."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import pytest

import jaxdl
from jaxdl.profiling import Profiler, read_profile

ROOT = Path(__file__).resolve().parents[2]
TINY_CNN = ("--experiment=digits_cnn", "--epochs=20", "--model.features=8,16")


def launch(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"TFDS_DATA_DIR": str(folder / "data"), "COLUMNS": "120"}
    return subprocess.run(
        [sys.executable, str(ROOT / "launch.py"), *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def profiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The run directory of a profiled training, and what it printed."""
    folder = tmp_path_factory.mktemp("profiled")
    done = launch(folder, *TINY_CNN, "--profile", "--run_dir=run")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return folder / "run", done.stdout


@pytest.fixture(scope="module")
def profile(profiled: tuple[Path, str]) -> dict[str, Any]:
    """What stands in its ``profile.json``."""
    profile = read_profile(profiled[0])
    assert profile is not None
    return profile


@pytest.mark.slow
def test_compute_input_and_host_add_up_to_the_time_of_the_traced_steps(
    profiled: tuple[Path, str], profile: dict[str, Any]
) -> None:
    times = profile["seconds_per_step"]
    assert times["compute"] + times["input"] + times["host"] == pytest.approx(times["wall"])
    assert 0 < times["between"] < times["compute"]
    data = jax.profiler.ProfileData.from_file(str(profiled[0] / "profile" / profile["trace"]))
    host = data.find_plane_with_name("/host:CPU")
    marks = [event for line in host.lines for event in line.events if event.name == "jaxdl.train_steps"]
    assert sum(mark.duration_ns for mark in marks) / 1e9 == pytest.approx(times["wall"] * profile["steps"], rel=1e-6)
    # The host's own clock, read beside the marks.
    assert profile["window_seconds"] == pytest.approx(times["wall"] * profile["steps"], rel=0.05, abs=5e-3)
    operations = sum(row["seconds_per_step"] for row in profile["operations"])
    assert operations + times["between"] + times["host"] == pytest.approx(times["wall"])
    assert times["untraced"] > 0
    assert profile["compile_seconds"] > 0


@pytest.mark.slow
def test_the_operations_of_a_convolutional_network_are_named_by_layer(profile: dict[str, Any]) -> None:
    assert profile["seconds_per_step"]["compute"] > profile["seconds_per_step"]["input"] > 0
    rows = profile["operations"]
    assert [row["seconds_per_step"] for row in rows] == sorted((r["seconds_per_step"] for r in rows), reverse=True)
    layers = {(row["layer"], row["backward"]) for row in rows}
    assert {("convolution_2", False), ("convolution_2", True), ("output", True), ("optimizer", False)} <= layers
    assert ("input", False) in layers
    # Which of the two takes longer depends on the processor.
    of_convolutions = {row["layer"] for row in rows if row["kind"] == "convolution"}
    assert of_convolutions == {"convolution_1", "convolution_2"}
    assert all(row["runs_per_step"] == pytest.approx(1) for row in rows if row["kind"] == "convolution")
    assert all(row["kind"] not in ("while", "call", "conditional") for row in rows)


@pytest.mark.slow
def test_the_achieved_rate_lies_below_the_measured_peak(profile: dict[str, Any]) -> None:
    # Multiply-adds of 32 images of 8x8: two convolutions, the second with both gradients; and the dense layer.
    first, second, dense = 64 * 9 * 8, 16 * 9 * 8 * 16, 64 * 10
    assert profile["flops_per_step"] == 2 * 32 * (2 * first + 3 * second + 3 * dense)
    rate = profile["flops_per_step"] / profile["seconds_per_step"]["untraced"]
    assert profile["flops_per_second"] == pytest.approx(rate)
    peak = profile["peaks"]["float32"]["flops_per_second"]
    assert peak > 0
    assert profile["share_of_peak"] == pytest.approx(rate / peak)
    assert 0 < profile["share_of_peak"] < 1.2


@pytest.mark.slow
def test_the_trace_is_one_that_perfetto_opens(profiled: tuple[Path, str], profile: dict[str, Any]) -> None:
    (file,) = (profiled[0] / "profile").glob("plugins/profile/*/*.trace.json.gz")
    assert file.parent == (profiled[0] / "profile" / profile["trace"]).parent
    with gzip.open(file) as content:
        names = {event.get("name") for event in json.load(content)["traceEvents"]}
    assert profile["operations"][0]["name"] in names
    assert file.stat().st_size < 20e6


@pytest.mark.slow
def test_the_table_is_printed_after_the_results(profiled: tuple[Path, str], profile: dict[str, Any]) -> None:
    folder, printed = profiled
    assert printed.index("accuracy") < printed.index("a train step, over")
    for word in ("compute", "input", "host", "compile", "of the measured peak", profile["operations"][0]["name"]):
        assert word in printed
    assert f"{profile['flops_per_second'] / 1e9:,.1f} GFLOP/s" in printed
    assert "tensorboard --logdir run/profile" in printed


@pytest.mark.slow
def test_profiling_changes_nothing_of_the_result(profiled: tuple[Path, str], tmp_path: Path) -> None:
    done = launch(tmp_path, *TINY_CNN, "--run_dir=run")
    assert done.returncode == 0, done.stderr
    plain, traced = (json.loads((run / "summary.json").read_text()) for run in (tmp_path / "run", profiled[0]))
    assert plain["params_sha256"] == traced["params_sha256"]
    assert plain["metrics"] == traced["metrics"]
    assert not (tmp_path / "run" / "profile").exists()
    assert "a train step" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--experiment=digits_mlp", "--profile", "--fast_dev_run"], "at least 10 train steps"),
        (["--experiment=digits_mlp", "--profile", "--mode=summary"], "does not work with --mode=summary"),
    ],
)
def test_what_cannot_be_profiled_is_refused(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = launch(tmp_path, *arguments)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.slow
def test_a_training_that_ends_before_its_trace_is_whole_says_so(tmp_path: Path) -> None:
    diverging = ("--experiment=digits_mlp", "--optimizer=sgd", "--learning_rate=1e30", "--epochs=10000")
    done = launch(tmp_path, *diverging, "--profile", "--run_dir=run")
    assert done.returncode == 1
    assert "ended before a part of it could be traced" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "profile" / "profile.json").exists()


def experiment(model: nn.Module) -> jaxdl.Experiment:
    return jaxdl.Experiment(
        name="profiled",
        data=jaxdl.Digits(),
        model=model,
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(),
        training=jaxdl.Training(epochs=40, batch_size=8),
    )


@pytest.mark.slow
def test_a_training_from_python_is_profiled_in_one_epoch_after_the_other(tmp_path: Path) -> None:
    recipe = jaxdl.replace(experiment(jaxdl.MLP(features=(8,))), {"training.overfit_batches": 1})
    jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path, notify=lambda text: None, profiler=Profiler)
    profile = read_profile(tmp_path / "run")
    assert profile is not None
    # One step an epoch: a fifth of 40 steps warms up, a third of the rest is timed, and as much traced.
    assert profile["steps"] == 10
    times = profile["seconds_per_step"]
    assert times["compute"] + times["input"] + times["host"] == pytest.approx(times["wall"])
    dense = [row for row in profile["operations"] if row["layer"] == "output" and row["primitive"] == "dot_general"]
    assert dense
    assert all(row["runs_per_step"] == pytest.approx(1) for row in dense)
