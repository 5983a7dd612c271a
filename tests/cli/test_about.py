"""Versions, and a new recipe."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path

import pytest

import jaxdl
from jaxdl.cli.about import version_text, write_recipe
from jaxdl.errors import UserError
from jaxdl.experiment.registry import load_experiment


def test_the_versions_are_those_that_are_installed() -> None:
    text = version_text()
    assert text.startswith(f"jaxdl {jaxdl.__version__} (jax {importlib.metadata.version('jax')}, ")
    assert text.endswith(f"Python {platform.python_version()})")


def test_a_new_recipe_trains_and_its_fields_are_flags(tmp_path: Path) -> None:
    told = write_recipe("my_net", tmp_path / "experiments")
    assert told.startswith(f"{tmp_path / 'experiments' / 'my_net.py'} is written.")
    recipe = load_experiment("my_net", tmp_path / "experiments")
    recipe = jaxdl.replace(recipe, {"model.units": 16, "model.dropout": 0.1, "training.fast_dev_run": True})
    summary = jaxdl.train(recipe, run_dir=tmp_path / "run", notify=lambda line: None)
    assert summary["status"] == "completed" and summary["parameters"] == 65 * 16 + 17 * 10


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("mine")
    with pytest.raises(UserError, match=r"mine\.py is there already: take another name"):
        write_recipe("mine", tmp_path)
    assert (tmp_path / "mine.py").read_text() == "mine"


@pytest.mark.parametrize("name", ["my-net", "../net", "1net", "_net", "näme"])
def test_a_name_that_is_none_of_python_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="must be a name of letters, digits and underscores"):
        write_recipe(name, tmp_path)
    assert not list(tmp_path.iterdir())
