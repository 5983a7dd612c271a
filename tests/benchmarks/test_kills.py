"""The long proof of resumption: its folder, its file of results and its exit status."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import jaxdl
from benchmarks import kills
from jaxdl.training.reproduce import ResumeProof
from tests.trained import RECIPES


def pretend(monkeypatch: pytest.MonkeyPatch, different: list[str]) -> None:
    """Puts a proof that takes no time in the place of the real one."""

    def verify(command: Sequence[str], folder: Path, kills: int, notify: Callable[[str], None]) -> ResumeProof:
        if folder.exists():
            raise jaxdl.UserError(f"{folder} exists already")
        folder.mkdir(parents=True)
        return ResumeProof(folder, {"SIGKILL": kills - 1, "SIGINT": 1}, 2, 0.5, different)

    monkeypatch.setattr(jaxdl, "verify_resume", verify)


def test_each_time_the_results_lie_in_a_new_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, different=[])
    monkeypatch.chdir(tmp_path)
    assert kills.main(["--kills=3"]) == kills.main(["--kills=3"]) == 0
    files = list(tmp_path.glob("runs/kills/*/kills.json"))
    assert len(files) == 2
    results = json.loads(files[0].read_text())
    figures = {"kills": {"SIGKILL": 2, "SIGINT": 1}, "trainings": 2, "slowest_stop": 0.5, "different": []}
    assert results["recipes"] == [{"recipe": name, **figures} for name in RECIPES]
    assert results["machine"]["cores"] and results["versions"]["jax"]


def test_a_difference_is_recorded_and_ends_with_status_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, different=["stopped-1: the final figures"])
    assert kills.main(["--kills=3", f"--output={tmp_path}"]) == 1
    results = json.loads((tmp_path / "kills.json").read_text())
    assert [proof["different"] for proof in results["recipes"]] == [["stopped-1: the final figures"]] * len(RECIPES)


def test_a_named_folder_that_is_in_use_ends_with_status_2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, different=[])
    assert kills.main([f"--output={tmp_path}"]) == 0
    assert kills.main([f"--output={tmp_path}"]) == 2
