"""A run read back: whole, damaged, half written or not there."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

import jaxdl.errors
from jaxdl.errors import UserError
from jaxdl.record import (
    RunDirectory,
    read_config,
    read_inspection,
    read_metrics,
    read_progress,
    read_record,
    read_summary,
)

ROOT = Path(jaxdl.errors.__file__).parents[1]


def script(text: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "a" / "b", "x") as run:
        run.write_config({"name": "x", "model": {"features": (32, 64)}})
        run.write_record({"seed": 1})
        run.log_metrics(10, 1, "train", {"loss": np.float32(0.5), "accuracy": 1})
        run.log_metrics(10, 1, "validation", {"loss": 0.25, "confusion": np.array([[1, 0], [0, 2]])})
        run.write_summary({"experiment": "x", "metrics": {"test/loss": 0.125}})
    assert read_config(run.path) == {"name": "x", "model": {"features": [32, 64]}}
    assert read_record(run.path) == {"seed": 1}
    assert read_metrics(run.path) == [
        {"step": 10, "epoch": 1, "split": "train", "loss": 0.5, "accuracy": 1},
        {"step": 10, "epoch": 1, "split": "validation", "loss": 0.25, "confusion": [[1, 0], [0, 2]]},
    ]
    assert read_summary(run.path)["metrics"] == {"test/loss": 0.125}


def test_a_reader_never_meets_half_a_file(tmp_path: Path) -> None:
    text = """
        import sys
        from pathlib import Path
        from jaxdl.record import RunDirectory
        run = RunDirectory.create(Path(sys.argv[1]), "x")
        for n in range(10**9):
            run.write_config({"name": "x", "n": n, "padding": [n] * 50_000})
            if n == 0:
                print("begun", flush=True)
    """
    with subprocess.Popen(script(text, tmp_path), env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        seen: set[int] = set()
        given_up = time.monotonic() + 60
        while len(seen) < 10 and time.monotonic() < given_up:
            config = read_config(tmp_path)
            assert set(config["padding"]) == {config["n"]} and len(config["padding"]) == 50_000
            seen.add(config["n"])
        process.kill()
    assert len(seen) == 10
    assert read_config(tmp_path)["name"] == "x"


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00\xff", "[" * 100_000, '{"a": nul}'])
def test_damaged_files_are_named(tmp_path: Path, text: str) -> None:
    for name, read in (("config.json", read_config), ("summary.json", read_summary), ("record.json", read_record)):
        (tmp_path / "config.json").write_text("{}")
        (tmp_path / name).write_text(text, encoding="latin-1")
        with pytest.raises(UserError, match=f"{tmp_path}/{name} is damaged") as caught:
            read(tmp_path)
        assert "\n" not in str(caught.value)
    (tmp_path / "config.json").write_text('{"name": "x"}')
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n' + text + "\n", encoding="latin-1")
    with pytest.raises(UserError, match=r"metrics\.jsonl is damaged"):
        read_metrics(tmp_path)


def test_a_place_without_a_run_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        for read in (read_config, read_record, read_summary, read_metrics):
            with pytest.raises(UserError, match=f"there is no run in {path}"):
                read(path)
    (tmp_path / "config.json").write_text("{}")
    assert read_metrics(tmp_path) == []
    with pytest.raises(UserError, match=r"summary\.json is missing: the run has not got that far"):
        read_summary(tmp_path)


def test_progress_is_read_by_epoch_and_the_last_line_of_one_counts(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path, "x") as run:
        run.write_config({"name": "x"})
        assert read_progress(tmp_path) == []
        for epoch, rate in ((1, 0.5), (2, 0.4), (2, 0.25)):  # the second was trained again after a stop
            run.log_progress(10 * epoch, epoch, {"train_seconds": float(np.float32(2)), "learning_rate": rate})
        with open(tmp_path / "progress.jsonl", "a") as file:
            file.write('{"step": 30, "ep')  # as a killed process leaves it
    assert read_progress(tmp_path) == [
        {"step": 10, "epoch": 1, "train_seconds": 2.0, "learning_rate": 0.5},
        {"step": 20, "epoch": 2, "train_seconds": 2.0, "learning_rate": 0.25},
    ]


def test_what_was_seen_in_a_model_is_read_back_with_numbers_that_are_not_finite(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path, "x") as run:
        run.write_inspection({"pairs": [[1.0, float("nan")]], "worst": {"wrong": float("inf"), "truth": "a"}})
    found = read_inspection(tmp_path)
    assert found["pairs"][0][0] == 1.0 and np.isnan(found["pairs"][0][1])
    assert found["worst"] == {"wrong": float("inf"), "truth": "a"}
