"""The measurement of sets on disk: the sets that it generates, its lines, and a small run of all of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import jaxdl
from benchmarks import streams
from benchmarks.stream_sets import write_arrays, write_pictures
from benchmarks.stream_worker import recipe

FIGURES = {
    "kind": "arrays",
    "examples": 400_000,
    "steps": 1_500,
    "peak_gigabytes": 0.61,
    "waiting_share": 0.0123,
    "milliseconds_per_step": 51.26,
    "first_seconds_to_first_step": 20.0,
    "fresh_start_seconds": [3.0, 4.0, 9.0],
    "resumed_start_seconds": [4.0, 5.5, 6.0],
    "kills": {"SIGKILL": 12, "SIGTERM": 8},
    "different": [],
}


def test_the_lines_say_what_was_measured() -> None:
    assert streams.text(FIGURES).splitlines() == [
        "arrays: 400,000 examples, 1,500 steps",
        "  largest resident memory: 0.61 GB",
        "  waiting for input: 1.23 % at 51.3 ms a step",
        "  to the first step: fresh 4.0 s, resumed 5.5 s (+1.5 s); the first time 20.0 s",
        "  stopped 20 times: the same bits",
    ]
    assert "DIFFERENT: ['a: b']" in streams.text(FIGURES | {"different": ["a: b"]})


def test_generated_arrays_and_pictures_are_read_from_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_arrays(tmp_path / "arrays", 1500)
    write_pictures(tmp_path / "folder", 60)
    for kind, count in (("arrays", 1500), ("folder", 60)):
        dataset = recipe(kind, tmp_path / kind, 16, 0.0, 1).data.load(tmp_path, lambda line: None)
        assert dataset.streamed and sum(len(split["inputs"]) for split in dataset.splits.values()) == count
        train = dataset.splits["train"]
        brightness = np.asarray(train["inputs"][:200]).mean((1, 2, 3))
        assert np.corrcoef(brightness, train["targets"][:200])[0, 1] > 0.9


def test_a_training_that_fails_ends_with_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = [sys.executable, "-c", "raise SystemExit('no such set')"]
    monkeypatch.setattr(streams.Bench, "_command", lambda self, step_ms: failing)
    given = ["--kinds=arrays", "--gigabytes=0.001", f"--folder={tmp_path}", f"--output={tmp_path}/a.json"]
    assert streams.main(given) == 1
    told = capsys.readouterr().err
    assert "benchmarks.streams: arrays: the training failed" in told and "no such set" in told


@pytest.mark.slow
@pytest.mark.nightly  # its smaller siblings: tests/training/test_streamed.py
def test_a_small_set_is_killed_again_and_again_to_the_same_bits(tmp_path: Path) -> None:
    given = ["--kinds=arrays", "--gigabytes=0.05", "--batch_size=16", "--step_ms=60", "--rounds=1", "--kills=2"]
    assert streams.main([*given, f"--folder={tmp_path}", f"--output={tmp_path}/a.json"]) == 0
    [figures] = json.loads((tmp_path / "a.json").read_text())["sets"]
    assert figures["kind"] == "arrays" and figures["different"] == [] and sum(figures["kills"].values()) == 2
    assert figures["peak_gigabytes"] < 1.5 and figures["milliseconds_per_step"] >= 60
    assert not list(tmp_path.glob("jaxdl-*"))


def test_the_recipe_is_one_of_the_framework() -> None:
    assert isinstance(recipe("folder", Path("x"), 8, 1.0, 2), jaxdl.Experiment)
