"""A race of searches: what follows from its trials, and what is kept of it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxdl
from benchmarks import search_race, search_race_jaxdl
from benchmarks.search_race import Race, curve, main, text_of
from benchmarks.search_race_process import run_for
from benchmarks.search_race_spaces import SPACES
from jaxdl.errors import UserError
from jaxdl.experiment.config import to_config
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.space.space import parse_flags
from tests.experiments.twins import twin


def trial(seconds: float, figure: float, whole: bool = True) -> dict[str, Any]:
    return {"seconds": seconds, "figure": figure, "values": {"learning_rate": round(figure / 100, 6)}, "whole": whole}


TRIALS = [trial(9.0, 0.97), trial(3.0, 0.90), trial(4.0, 0.80), trial(12.0, 0.99), trial(5.0, 0.98, whole=False)]


def test_a_curve_has_a_point_for_each_new_best_that_came_to_its_end_within_the_time() -> None:
    assert curve(TRIALS, seconds=10.0) == [
        {"seconds": 3.0, "figure": 0.90, "values": {"learning_rate": 0.009}, "tried": 1},
        {"seconds": 9.0, "figure": 0.97, "values": {"learning_rate": 0.0097}, "tried": 4},
    ]


def test_a_line_says_what_was_found() -> None:
    points = curve(TRIALS, 10.0)
    run = {"space": "digits_mlp", "racer": "jaxdl", "seed": 1, "tried": 40, "curve": points}
    assert text_of(run) == "digits_mlp, jaxdl from seed 1: 40 settings, best 0.9700 after 9.0 s"
    points[-1]["test"] = [0.96, 0.98]
    assert text_of(run).endswith("after 9.0 s, test 0.9700 over 2 seeds")


@pytest.mark.parametrize(
    ("name", "fields"), [("digits_mlp", 6), ("mnist_mlp", 6), ("mnist_cnn_small", 5), ("mnist_rnn", 5)]
)
def test_a_space_has_fields_of_its_recipe(name: str, fields: int) -> None:
    searched = SPACES[name]
    recipe = jaxdl.replace(twin(name), {"optimizer": jaxdl.AdamW()})
    space = make_space(recipe, parse_flags([flag.removeprefix("--sweep=") for flag in searched.flags()]))
    assert len(space.axes) == len(searched.fields) == fields
    assert set(search_race_jaxdl.values_of(searched, to_config(recipe))) == set(searched.fields)


def test_settings_are_compared_after_1_3_9_and_the_last_epoch() -> None:
    assert {name: space.rungs for name, space in SPACES.items()} == {
        "digits_mlp": (1, 3, 9, 27, 30),
        "mnist_mlp": (1, 3, 5),
        "mnist_cnn_small": (1, 3, 5),
        "mnist_rnn": (1, 3, 5),
    }


def test_the_fields_of_a_trial_are_read_from_its_config() -> None:
    config = {
        "optimizer": {"learning_rate": 0.01, "weight_decay": 1e-3},
        "model": {"dropout": 0.1, "features": [128, 128]},
        "objective": {"label_smoothing": 0.05},
        "training": {"batch_size": 64},
    }
    assert search_race_jaxdl.values_of(SPACES["digits_mlp"], config) == {
        "learning_rate": 0.01,
        "weight_decay": 1e-3,
        "dropout": 0.1,
        "label_smoothing": 0.05,
        "batch_size": "64",
        "model.features": "(128,128)",
    }


def test_trials_are_read_in_the_order_in_which_they_ended(tmp_path: Path) -> None:
    config = to_config(jaxdl.replace(twin("digits_mlp"), {"optimizer": jaxdl.AdamW()}))
    for number, (status, figure) in enumerate([("completed", 0.9), ("preempted", 0.5), ("failed", 0.1)]):
        folder = tmp_path / "trials" / f"{number:04}"
        folder.mkdir(parents=True)
        summary = folder / "summary.json"
        summary.write_text(json.dumps({"status": status, "metrics": {"validation/accuracy": figure}}))
        (folder / "config.json").write_text(json.dumps(config))
        os.utime(summary, (0, 1000.0 - number))
    found = list(search_race_jaxdl.trials_of(SPACES["digits_mlp"], tmp_path, began=900.0))
    told = [(each["seconds"], each["figure"], each["whole"]) for each in found]
    assert told == [(99.0, 0.5, False), (100.0, 0.9, True)]


def test_the_data_are_those_that_jaxdl_trains_on(tmp_path: Path) -> None:
    search_race_jaxdl.write_data("digits_mlp", None, tmp_path / "digits.npz")
    data = jaxdl.Digits().load(tmp_path)
    with np.load(tmp_path / "digits.npz") as arrays:
        assert float(arrays["scale"]) == 1 / 16
        for split in ("train", "validation", "test"):
            np.testing.assert_array_equal(arrays[f"{split}_inputs"], data.splits[split]["inputs"])
            np.testing.assert_array_equal(arrays[f"{split}_targets"], data.splits[split]["targets"])


def test_no_stand_in_takes_the_place_of_mnist(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        search_race_jaxdl.write_data("mnist_mlp", str(tmp_path), tmp_path / "mnist.npz")


def test_a_process_ends_in_its_time_with_what_it_started(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    ended = run_for([sys.executable, "-c", code], tmp_path, 2.0)
    assert (ended.in_time, ended.status) == (False, -15)
    child = int(ended.output)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _runs(child):
        time.sleep(0.05)
    assert not _runs(child)


def _runs(process: int) -> bool:
    """Returns whether a process exists that is no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    ended = run_for([sys.executable, "-c", "import sys; print('{}'); sys.exit('no such thing')"], tmp_path, None)
    assert ended == (1, True, "{}\n", "no such thing")


class Fake:
    """In the place of all racers: counts what they are asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.searches: list[Any] = []
        self.trained: list[Any] = []
        monkeypatch.setattr(search_race_jaxdl, "search", self.search)
        monkeypatch.setattr(search_race_jaxdl, "train_again", self.train_again)
        monkeypatch.setattr(search_race_jaxdl, "write_data", lambda *given: None)
        monkeypatch.setattr(search_race, "peer_lines", self.peer_lines)
        monkeypatch.setattr(Race, "_versions", lambda race, racer: {})

    def search(self, name: str, seconds: float, seed: int, *others: Any) -> list[dict[str, Any]]:
        self.searches.append(("jaxdl", name, seconds, seed))
        return TRIALS

    def peer_lines(self, python: str, module: str, folder: Path, seconds: float | None, *given: str) -> list[Any]:
        if seconds is None:
            self.trained.append(module)
            return [{"setting": 0, "test": 0.94}, {"setting": 0, "test": 0.96}]
        self.searches.append((module, given[1], seconds, given[3]))
        return TRIALS

    def train_again(self, name: str, settings: Any, seeds: int, *others: Any) -> list[list[float]]:
        self.trained.append(settings)
        return [[each["learning_rate"]] * seeds for each in settings]


def test_a_second_call_does_only_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake, output = Fake(monkeypatch), tmp_path / "race.json"
    common = [f"--output={output}", "--space=digits_mlp", "--seconds=10", "--share=0.5", "--retrained=2"]
    assert main([*common, "--seeds=1", "--racers=jaxdl"]) == 0
    assert fake.searches == [("jaxdl", "digits_mlp", 5.0, 0)]
    assert main([*common, "--seeds=2", "--racers=jaxdl,optuna-torch"]) == 0
    peer = [("benchmarks.search_race_torch", "--space=digits_mlp", 10.0, f"--seed={seed}") for seed in (0, 1)]
    assert fake.searches[1:] == [peer[0], peer[1], ("jaxdl", "digits_mlp", 5.0, 1)]  # another one begins each round
    runs = json.loads(output.read_text())["runs"]
    assert [(run["racer"], run["seed"]) for run in runs] == [
        ("jaxdl", 0), ("optuna-torch", 0), ("optuna-torch", 1), ("jaxdl", 1),
    ]  # fmt: skip
    assert [point["test"] for point in runs[0]["curve"]] == [[0.009, 0.009]]  # the second came after 5 s
    assert [point["test"] for point in runs[1]["curve"]] == [[0.94, 0.96]] * 2
    assert {"machine", "commit", "versions", "ended", "tried", "completed"} <= set(runs[1])
    count = len(fake.searches), len(fake.trained)
    assert main([*common, "--seeds=2", "--racers=jaxdl,optuna-torch"]) == 0
    assert (len(fake.searches), len(fake.trained)) == count
    assert main([*common, "--seeds=1", "--racers=jaxdl", "--again"]) == 0
    assert len(fake.searches) == count[0] + 1
    assert len(json.loads(output.read_text())["runs"]) == 4


def test_training_again_is_taken_up_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake, output = Fake(monkeypatch), tmp_path / "race.json"
    common = [f"--output={output}", "--space=digits_mlp", "--seconds=10", "--seeds=1", "--racers=optuna-torch"]
    assert main([*common, "--retrained=0"]) == 0
    assert not fake.trained
    saved = json.loads(output.read_text())
    saved["runs"][0]["curve"][1]["test"] = [0.5, 0.5]
    output.write_text(json.dumps(saved))
    assert main([*common, "--retrained=2"]) == 0
    assert len(fake.searches) == len(fake.trained) == 1
    curve = json.loads(output.read_text())["runs"][0]["curve"]
    assert [point["test"] for point in curve] == [[0.94, 0.96], [0.5, 0.5]]


def test_nothing_begins_that_would_end_after_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(monkeypatch)
    common = [f"--output={tmp_path / 'race.json'}", "--space=digits_mlp", "--seconds=600", "--seeds=1"]
    assert main([*common, "--racers=jaxdl", "--budget=300"]) == 0
    assert not fake.searches


def test_a_racer_that_fails_leaves_the_others_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake, output = Fake(monkeypatch), tmp_path / "race.json"

    def fail(*given: Any) -> list[Any]:
        raise RuntimeError("benchmarks.search_race_torch: no module named torch")

    monkeypatch.setattr(search_race, "peer_lines", fail)
    common = [f"--output={output}", "--space=digits_mlp", "--seconds=10", "--retrained=0", "--seeds=2"]
    assert main([*common, "--racers=optuna-torch,jaxdl"]) == 1
    assert [name for name, *_ in fake.searches] == ["jaxdl", "jaxdl"]
    assert capsys.readouterr().err == (
        "digits_mlp, optuna-torch failed: benchmarks.search_race_torch: no module named torch\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--space=digits"], "--space=digits: must be of digits_mlp, mnist_mlp, mnist_cnn_small, mnist_rnn"),
        (["--racers=keras"], "--racers=keras: must be of jaxdl, optuna-torch, ray-torch"),
        (["--seconds=0"], "--seconds above 0"),
        (["--share=2"], "--share=2: must be above 0, and at most 1"),
    ],
)
def test_wrong_arguments_end_with_status_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2 and message in capsys.readouterr().err


@pytest.mark.nightly
@pytest.mark.slow
def test_a_short_race_on_digits(tmp_path: Path) -> None:
    """With the other racers where they are installed in this Python."""
    from importlib.util import find_spec

    racers = ["jaxdl"]
    racers += ["optuna-torch"] if find_spec("torch") else []
    racers += ["ray-torch"] if find_spec("torch") and find_spec("ray") else []
    output = tmp_path / "race.json"
    common = [f"--output={output}", "--space=digits_mlp", "--seconds=60", "--seeds=1", "--retrained=2"]
    assert main([*common, f"--racers={','.join(racers)}"]) == 0
    runs = json.loads(output.read_text())["runs"]
    assert [run["racer"] for run in runs] == racers
    for run in runs:
        assert run["curve"][-1]["figure"] > 0.9 and run["completed"] <= run["tried"]
        assert all(len(point["test"]) == 2 and min(point["test"]) > 0.3 for point in run["curve"])
        assert run["curve"][-1]["seconds"] <= 60
    assert main([f"--summary={shutil.copy(output, tmp_path / 'copy.json')}"]) == 0
    assert (tmp_path / "copy.png").stat().st_size > 10_000
