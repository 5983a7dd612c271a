"""Trackers by name, and the user's own."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import jaxdl
from jaxdl.record.trackers.tracker import SHIPPED, OwnTracker, maker, taken_trackers

ROOT = Path(__file__).resolve().parents[3]


def test_names_and_own_ones_are_taken() -> None:
    taken = taken_trackers(["mlflow", dict])
    assert taken == ("mlflow", "dict") and isinstance(taken[1], OwnTracker) and isinstance(maker(taken[1])(), dict)
    assert taken_trackers("aim") == ("aim",) and taken_trackers(3) == 3
    assert pickle.loads(pickle.dumps(taken[1])).make is dict


def test_a_name_that_is_none_and_a_tool_that_is_not_there_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(jaxdl.UserError, match=r"unknown tracker 'mflow'\. Did you mean 'mlflow'"):
        maker("mflow")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(jaxdl.UserError, match="--tracker=wandb needs the package wandb: pip install wandb "):
        maker("wandb")


def test_each_has_a_module_and_an_extra() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for shipped in SHIPPED.values():
        assert importlib.util.find_spec(shipped.module) is not None
        assert shipped.extra in extras


def test_they_are_chosen_without_importing_their_tools() -> None:
    code = (
        "import sys, jaxdl, jaxdl.experiment\nprint(sorted({'mlflow', 'wandb', 'aim', 'trackio'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
