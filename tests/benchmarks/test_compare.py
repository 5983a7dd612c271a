"""The side-by-side benchmark: its recipes, what it computes from the runs, and one small comparison from end to end."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxdl
from benchmarks import data, summary
from benchmarks.frameworks import FRAMEWORKS, jaxdl_, named
from benchmarks.workloads import WORKLOADS

ROOT = Path(__file__).resolve().parents[2]


def compare(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command as a user does."""
    command = [sys.executable, "-m", "benchmarks.compare", *arguments]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", [name for name, workload in WORKLOADS.items() if workload.data == "mnist"])
def test_workloads_on_mnist_are_the_recipes_of_the_experiments(name: str) -> None:
    experiment = jaxdl.load_experiment(name, ROOT / "experiments")
    stated = jaxdl_.experiment_of(name, WORKLOADS[name], folder="")
    for part in ("model", "objective", "optimizer", "training"):
        assert getattr(stated, part) == getattr(experiment, part)
    assert experiment.data == jaxdl.Tfds("mnist", validation=1 / 12)


@pytest.mark.parametrize("name", WORKLOADS)
def test_parameters_counted_from_the_layers_are_those_of_the_model(name: str) -> None:
    workload = WORKLOADS[name]
    scaling = jaxdl.Preprocess(scale=1 / 255)
    spec = jaxdl.Spec(workload.input_shape, "uint8", scaling, (), workload.classes, tuple("0123456789"))
    steps = jaxdl.make_steps(jaxdl_.experiment_of(name, workload, folder=""), spec, total_steps=1)
    shapes = jax.eval_shape(steps.init_state, np.uint32(0)).params
    assert workload.parameters == sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))


def test_operations_of_a_training_example_are_three_forward_passes_less_the_gradient_of_the_inputs() -> None:
    # 784 x 128 and 128 x 10; the first layer's backward pass is one product, not two.
    assert WORKLOADS["mnist_mlp"].train_flops == 2 * (2 * 784 * 128 + 3 * 128 * 10)
    # 28 steps of 4 gates; the input's 28 features need no gradient, the state's 128 do.
    assert WORKLOADS["mnist_rnn"].train_flops == 2 * (28 * 512 * (2 * 28 + 3 * 128) + 3 * 128 * 10)


def test_generated_data_follow_from_the_seed_alone() -> None:
    for generate, shape in ((data.gratings, (8, 8, 3)), (data.waves, (20, 4))):
        inputs, targets = generate(40, shape, 10, seed=1)
        again, _ = generate(40, shape, 10, seed=1)
        other, _ = generate(40, shape, 10, seed=2)
        assert inputs.shape == (40, *shape) and targets.shape == (40,)
        assert set(targets) <= set(range(10)) and targets.dtype == np.int32
        np.testing.assert_array_equal(inputs, again)
        assert not np.array_equal(inputs, other)


def test_a_name_stands_for_each_framework_that_has_it_as_a_part() -> None:
    assert named("torch") == ["keras-torch", "torch", "torch-compile"]
    assert named("keras") == ["keras-tensorflow", "keras-jax", "keras-torch"]
    assert named("tensorflow") == ["keras-tensorflow"]
    assert named("flax") == ["flax"]
    assert named("tor") == []


def run_of(framework: str, number: int, speed: float | None = None, accuracies: list[float] | None = None) -> Any:
    """Makes the record of one run on the tiny workload."""
    workload = WORKLOADS["tiny"]
    record = {"round": number, "workload": "tiny", "precision": "float32", "framework": framework, "problem": None}
    record |= {"job": "accuracy" if speed is None else "speed", "parameters": workload.parameters, "peak_mib": 100.0}
    record |= {"examples_per_second": speed, "accuracies": accuracies, "device_peak_bytes": None}
    reached = [a >= workload.target for a in accuracies or []]
    record |= {
        "epoch_seconds": [9.0, 2.0, 2.0],
        "first_step_seconds": 1.0,
        "seconds_to_target": 9.0 if any(reached) else None,
        "epochs_to_target": 1,
    }
    return record


def results_of(runs: list[Any]) -> dict[str, Any]:
    peaks = [
        {"library": "jax", "precision": "float32", "gflops": 100.0},
        {"library": "torch", "precision": "float32", "gflops": 80.0},
    ]
    return {"runs": runs, "peaks": peaks, "settings": {"drop_below": 0.6, "pairs": 3}}


def test_ratios_are_taken_round_by_round_and_the_best_peer_is_not_plain_flax() -> None:
    table = {"jaxdl": (300, 100, 400), "torch": (100, 100, 100), "keras-jax": (150,), "flax": (200, 50, 100)}
    runs = [run_of(name, i + 1, speed) for name, speeds in table.items() for i, speed in enumerate(speeds)]
    (entry,) = summary.summarise(results_of(runs))
    frameworks = entry["frameworks"]
    assert frameworks["torch"]["ours_over_it"] == {"median": 3.0, "min": 1.0, "max": 4.0, "count": 3}
    assert frameworks["flax"]["ours_over_it"] == {"median": 2.0, "min": 1.5, "max": 4.0, "count": 3}
    assert frameworks["keras-jax"]["ours_over_it"]["median"] == 2.0
    assert entry["best_peer"] == "keras-jax"
    assert frameworks["jaxdl"]["share_of_peak"] == pytest.approx(300 * WORKLOADS["tiny"].train_flops / 100e9)
    assert entry["problems"] == []


def test_peers_below_the_share_of_the_best_are_dropped_and_flax_never() -> None:
    first = {"jaxdl": 500.0, "keras-jax": 100.0, "torch": 61.0, "torch-compile": 59.0, "flax": 10.0}
    runs = [run_of(name, 1, speed) for name, speed in first.items()]
    runs.append({**run_of("keras-torch", 1, 1.0), "problem": "took longer than 9 s"})
    assert summary.slow_peers(runs, ("tiny", "float32"), 0.6) == {"torch-compile", "keras-torch"}
    # Half of its epochs stalled: judged by the others.
    runs[3]["epoch_seconds"] = [9.0, 2.0, 1.0]
    assert summary.slow_peers(runs, ("tiny", "float32"), 0.6) == {"keras-torch"}


def test_a_peer_that_was_slow_in_one_round_alone_stays() -> None:
    runs = [run_of(name, 1, speed) for name, speed in {"torch": 100.0, "keras-jax": 30.0, "keras-torch": 50.0}.items()]
    assert summary.slow_peers(runs, ("tiny", "float32"), 0.6) == {"keras-jax", "keras-torch"}
    runs += [
        run_of(name, 2, speed) for name, speed in {"torch": 100.0, "keras-jax": 150.0, "keras-torch": 50.0}.items()
    ]
    assert summary.slow_peers(runs, ("tiny", "float32"), 0.6) == {"keras-torch"}


def test_what_is_wrong_is_said() -> None:
    good = [0.5, 0.6, 0.7, 0.8, 0.9, 0.9, 0.9, 0.97]
    runs = [run_of(name, 1, accuracies=good) for name in ("jaxdl", "torch", "flax")]
    case = ("tiny", "float32")
    assert summary.problems(runs, case) == []
    tolerance = WORKLOADS["tiny"].tolerance
    runs.append(run_of("keras-jax", 1, accuracies=[*good[:-1], 0.97 - tolerance - 0.001, 0.97]))
    (problem,) = summary.problems(runs, case)
    assert problem.startswith("tiny, keras-jax, accuracy, round 1: 0.9190 after 8 epochs, more than 0.05 from")
    assert "target" in summary.problems([run_of("jaxdl", 1, accuracies=[*good[:-1], 0.9])], case)[0]
    assert "parameters" in summary.problems([{**run_of("jaxdl", 1, 5.0), "parameters": 7}], case)[0]
    assert "no memory" in summary.problems([{**run_of("jaxdl", 1, 5.0), "problem": "no memory"}], case)[0]


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("--workloads=mnist_cnm", "unknown workload 'mnist_cnm'"),
        ("--frameworks=jaxdll", "unknown framework 'jaxdll'"),
        ("--pairs=0", "must be at least 1"),
        ("--python=torch=/no/such/python", "there is no program /no/such/python"),
        ("--python=numpy", "must be FRAMEWORK=PATH"),
        ("--report=/no/such/folder", "cannot be read"),
    ],
)
def test_bad_input_ends_with_one_line_and_status_2(argument: str, expected: str, tmp_path: Path) -> None:
    finished = compare(argument, f"--output={tmp_path / 'out'}")
    assert finished.returncode == 2
    (line,) = finished.stderr.splitlines()
    assert expected in line
    assert not (tmp_path / "out").exists()


def test_mnist_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    finished = compare("--workloads=mnist_mlp", f"--data_dir={tmp_path / 'data'}", f"--output={tmp_path / 'out'}")
    assert finished.returncode == 2
    assert finished.stderr.splitlines()[-1].startswith("benchmarks.compare: the data of mnist_mlp are not available")


@pytest.mark.slow
def test_a_slow_peer_is_run_twice_and_the_others_in_each_round(tmp_path: Path) -> None:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed: pip install -e '.[bench]'")
    finished = compare(
        "--workloads=tiny",
        "--frameworks=jaxdl,torch,flax",
        "--device=cpu",
        "--pairs=3",
        "--accuracy_pairs=0",
        "--seconds=0.1",
        "--drop_below=1000",  # of the best peer, which no peer reaches
        f"--output={tmp_path}",
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    runs = json.loads((tmp_path / "results.json").read_text())["runs"]
    rounds = {name: [run["round"] for run in runs if run["framework"] == name] for name in ("jaxdl", "torch", "flax")}
    assert rounds == {"jaxdl": [1, 2, 3], "torch": [1, 2], "flax": [1, 2, 3]}


@pytest.mark.slow
@pytest.mark.nightly
def test_a_comparison_measures_each_framework_in_each_round(tmp_path: Path) -> None:
    finished = compare(
        "--workloads=tiny",
        "--frameworks=jaxdl,flax",
        "--device=cpu",
        "--pairs=2",
        "--seconds=0.1",
        f"--output={tmp_path}",
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    runs = results["runs"]
    assert [(run["job"], run["round"], run["framework"]) for run in runs] == [
        ("speed", 1, "jaxdl"),
        ("speed", 1, "flax"),
        ("accuracy", 1, "jaxdl"),
        ("accuracy", 1, "flax"),
        ("speed", 2, "jaxdl"),
        ("speed", 2, "flax"),
    ]
    workload = WORKLOADS["tiny"]
    for run in runs:
        assert run["problem"] is None and run["parameters"] == workload.parameters and run["device"] == "cpu"
        assert 0 < run["first_step_seconds"] < run["wall_seconds"]
        assert 50 < run["peak_mib"] < 20_000
        assert run["other_cores"] is None or run["other_cores"] >= 0
        assert set(run["versions"]) == {"python", *FRAMEWORKS[run["framework"]].distributions}
    speed = {(run["framework"], run["round"]): run for run in runs if run["job"] == "speed"}
    for run in speed.values():
        steady = run["epoch_seconds"][1:]
        assert sum(steady) >= 0.1
        assert run["examples_per_second"] == pytest.approx(workload.train_examples / statistics.median(steady))
    for run in runs:
        if run["job"] == "accuracy":
            assert max(run["accuracies"]) >= workload.target
            assert 0 < run["seconds_to_target"] < run["wall_seconds"]
    (entry,) = results["summary"]
    pairs = [speed["jaxdl", i]["examples_per_second"] / speed["flax", i]["examples_per_second"] for i in (1, 2)]
    ratio = entry["frameworks"]["flax"]["ours_over_it"]
    assert ratio["median"] == pytest.approx(statistics.median(pairs)) and ratio["count"] == 2
    assert (ratio["min"], ratio["max"]) == (pytest.approx(min(pairs)), pytest.approx(max(pairs)))
    assert [peak["library"] for peak in results["peaks"]] == ["jax"] and results["peaks"][0]["gflops"] > 1
    assert (tmp_path / "results.png").read_bytes()[:4] == b"\x89PNG"
    assert f"| tiny | {speed_text(entry)} | - | - |" in (tmp_path / "results.md").read_text()
    _check_redrawn(tmp_path, results)


def speed_text(entry: dict[str, Any]) -> str:
    return f"{entry['frameworks']['jaxdl']['examples_per_second']['median']:,.0f}"


def _check_redrawn(folder: Path, results: dict[str, Any]) -> None:
    """A report of stored runs needs no run, and tells of what went wrong in them."""
    drawn = (folder / "results.md").read_text()
    (folder / "results.md").unlink()
    (folder / "results.png").unlink()
    assert compare(f"--report={folder}").returncode == 0
    assert (folder / "results.md").read_text() == drawn and (folder / "results.png").exists()
    results["runs"][1]["problem"] = "no memory left"
    (folder / "results.json").write_text(json.dumps(results))
    finished = compare(f"--report={folder}")
    assert finished.returncode == 1
    assert "WRONG: tiny, flax, speed, round 1: no memory left" in finished.stdout


@pytest.mark.parametrize("framework", [name for name in FRAMEWORKS if name not in ("jaxdl", "flax")])
@pytest.mark.slow
def test_each_peer_trains_the_recipe(framework: str, tmp_path: Path) -> None:
    for name in FRAMEWORKS[framework].imports:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: pip install -e '.[bench]'")
    finished = compare(
        "--workloads=tiny",
        f"--frameworks={framework}",
        "--device=cpu",
        "--pairs=1",
        "--seconds=0.1",
        f"--output={tmp_path}",
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    runs = json.loads((tmp_path / "results.json").read_text())["runs"]
    assert [run["job"] for run in runs] == ["speed", "accuracy"]
    assert runs[0]["examples_per_second"] > 0 and max(runs[1]["accuracies"]) >= WORKLOADS["tiny"].target
