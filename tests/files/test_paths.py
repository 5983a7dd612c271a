"""A ``~`` at the start of a path is a home folder, wherever the path comes in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.files.paths import expanded
from jaxdl.record import read_config, read_metrics, read_summary
from tests.experiments.twins import twin

RECIPE = jaxdl.replace(twin("digits_mlp"), {"training.epochs": 1, "model.features": (4,)})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, beside the folder in which the test runs."""
    for name in ("home", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


def test_it_is_expanded_at_the_start_alone(home: Path) -> None:
    assert expanded("~/run") == expanded(Path("~/run")) == home / "run" and expanded("~") == home
    assert expanded("runs/~/a") == Path("runs/~/a") and expanded("./~") == Path("./~")
    assert expanded("~root/x") == Path(os.path.expanduser("~root/x"))


def test_an_unknown_user_is_refused_unless_the_name_is_that_of_a_file(home: Path) -> None:
    with pytest.raises(UserError, match=r"^~nobody-here/x: no home folder is known for ~nobody-here; .* \./~nobody"):
        expanded("~nobody-here/x")
    Path("~backup.png").touch()
    assert expanded("~backup.png") == Path("~backup.png")


def quiet(text: str) -> None:
    pass


@pytest.mark.slow
def test_every_function_takes_such_paths(home: Path) -> None:
    given: dict[str, Any] = {"data_dir": "~/data", "notify": quiet}
    summary = jaxdl.train(RECIPE, run_dir="~/run", **given)  # type: ignore[arg-type]
    assert (home / "run" / "summary.json").exists()
    assert read_summary("~/run") == summary and read_config("~/run")["seed"] == 0 and read_metrics("~/run")  # type: ignore[arg-type]
    assert jaxdl.load_run("~/run", RECIPE).predict(np.zeros((1, 8, 8, 1), np.uint8)).shape == (1, 10)
    assert jaxdl.evaluate("~/run", RECIPE, **given)["metrics"]["test/loss"] == summary["metrics"]["test/loss"]
    found = jaxdl.sweep(RECIPE, {"seed": [0]}, sweep_dir="~/sweep", execution=jaxdl.Execution(budget=1e-9), **given)
    assert found.sweep_dir == home / "sweep" and jaxdl.load_sweep("~/sweep", RECIPE).definition == found.definition
    assert list(Path.cwd().iterdir()) == []


def test_a_data_folder_below_home_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []
    original = jaxdl.Digits.read

    def read(self: jaxdl.Digits, folder: Path, notify: Any) -> jaxdl.Dataset:
        seen.append(folder)
        return original(self, folder, notify)

    monkeypatch.setattr(jaxdl.Digits, "read", read)
    jaxdl.Digits().load("~/data", quiet)  # type: ignore[arg-type]
    assert seen == [home / "data"]
